#include "config/study_reader.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "config/budget_reader.hpp"
#include "config/checks.hpp"
#include "config/early_stopping_reader.hpp"
#include "config/field.hpp"
#include "config/sampler_reader.hpp"
#include "config/scalar.hpp"
#include "config/space_reader.hpp"
#include "config/suggest.hpp"
#include "config/trial_reader.hpp"
#include "core/checkpoint.hpp"
#include "core/device.hpp"
#include "core/url.hpp"

namespace krigon::detail {
namespace {

const Field::WrongWords kWrongDirections{{"min", "write minimize"},     {"minimise", "write minimize"},
                                         {"max", "write maximize"},     {"maximise", "write maximize"},
                                         {"lower", "write minimize"},   {"higher", "write maximize"},
                                         {"smaller", "write minimize"}, {"larger", "write maximize"}};

class StudyReader {
 public:
  StudyReader(const Node& root, std::filesystem::path folder, Diagnostics& diagnostics)
      : folder_(std::move(folder)), diagnostics_(diagnostics), root_(&root, root.line, "", diagnostics) {}

  LoadedStudy read();

 private:
  void read_name(const Field& field);
  void read_objective(const Field& one, const Field& several);
  Objective read_one_objective(const Field& field);
  void check_checkpoint(const Field& early_stopping);
  void read_storage(const Field& field);
  void read_device(const Field& field);
  void read_inputs(const Field& field);

  std::filesystem::path folder_;
  Diagnostics& diagnostics_;
  Field root_;
  LoadedStudy study_;
};

void StudyReader::read_name(const Field& field) {
  const auto name = field.text();
  if (!name) return;
  const bool control = std::any_of(name->begin(), name->end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control || name->size() > 100 || name->front() == ' ' || name->back() == ' ') {
    field.error(
        fmt::format("found {}, expected a name of at most 100 bytes on one line, without blanks at its ends",
                    in_quotes(*name)));
    return;
  }
  study_.spec.name = *name;
}

Objective StudyReader::read_one_objective(const Field& field) {
  Objective objective;
  if (field.is(Node::Kind::scalar)) {
    field.error(fmt::format("found {}, expected {{metric: ..., direction: minimize}} (or maximize)",
                            shown(field.node())));
    return objective;
  }
  Section section(field);
  const Field metric = section.require("metric", "the name under which trials report it");
  const Field direction = section.require("direction", "minimize or maximize");
  if (const auto name = metric.text()) {
    if (const auto why = why_no_metric(*name); !why.empty()) metric.error(why);
    objective.metric = *name;
  }
  if (const auto word = direction.word({"minimize", "maximize"}, kWrongDirections)) {
    objective.direction = *word == "maximize" ? Direction::maximize : Direction::minimize;
  }
  section.finish({{"name", "write 'metric'"},
                  {"goal", "write 'direction'"},
                  {"mode", "write 'direction'"},
                  {"type", "write 'direction'"}});
  return objective;
}

void StudyReader::read_objective(const Field& one, const Field& several) {
  if (one && several) {
    several.error("there is 'objective' too; write one of the two");
    return;
  }
  if (several) {
    const auto items = several.items("objectives", "[{metric: accuracy, direction: maximize}]");
    if (items.size() > 1) {
      several.error(
          fmt::format("found {} objectives; only one can be optimized for now: keep one, and report the "
                      "others as further metrics",
                      items.size()));
    } else if (items.empty()) {
      if (several.is(Node::Kind::list)) several.error("found an empty list, expected one objective");
    } else {
      study_.spec.objectives = {read_one_objective(items[0])};
    }
    return;
  }
  if (one.is(Node::Kind::list)) {
    one.error("found a list, expected one {metric: ..., direction: ...}");
  } else if (one) {
    study_.spec.objectives = {read_one_objective(one)};
  }
}

void StudyReader::read_storage(const Field& field) {
  const auto text = field.text();
  if (!text) return;
  if (*text == "memory:" || text->starts_with("postgresql://") || text->starts_with("postgres://")) {
    study_.storage = *text;
    return;
  }
  std::string path = *text;
  const auto colon = text->find("://");
  if (text->starts_with("sqlite:")) {
    path = text->substr(text->starts_with("sqlite://") ? 9 : 7);
  } else if (colon != std::string::npos || text->starts_with("memory")) {
    field.error(
        fmt::format("found {}, expected a file's path, sqlite:///path/to/file, "
                    "postgresql://user@host/database or memory:",
                    in_quotes(without_password(*text))));
    return;
  }
  if (path.empty()) {
    field.error(fmt::format("found {}, which names no file", in_quotes(*text)));
    return;
  }
  std::filesystem::path file(path);
  if (!folder_.empty()) file = (folder_ / file).lexically_normal();
  study_.storage = "sqlite://" + file.string();
}

void StudyReader::read_device(const Field& field) {
  const auto text = field.text();
  if (!text) return;
  if (is_device(*text)) {
    study_.device = *text;
  } else {
    field.error(fmt::format("found {}, expected {}", in_quotes(*text), kDeviceWords));
  }
}

void StudyReader::read_inputs(const Field& field) {
  for (const auto& item : field.items("paths", "[train.py]")) {
    const auto text = item.text();
    if (!text) continue;
    study_.spec.inputs.push_back(*text);
    std::error_code error;
    if (!folder_.empty() && !std::filesystem::exists(folder_ / *text, error)) {
      item.warning(fmt::format("there is no file {} in {}", in_quotes(*text), folder_.string()));
    }
  }
}

void StudyReader::check_checkpoint(const Field& early_stopping) {
  const std::string missing = missing_checkpoint(study_.spec);
  if (missing.empty()) return;
  if (checkpoint_use(study_.spec.early_stopping) == CheckpointUse::clones) {
    early_stopping.error(missing);
  } else {
    early_stopping.warning(missing);
  }
}

LoadedStudy StudyReader::read() {
  study_.folder = folder_;
  if (root_.is(Node::Kind::null)) {
    root_.error("the file is empty; a study has at least 'study', 'objective' and 'parameters'");
    return std::move(study_);
  }
  if (!root_.is(Node::Kind::map)) {
    root_.error(fmt::format(
        "found {}, expected a study: keys and values, at least 'study', 'objective' and 'parameters'",
        shown(root_.node())));
    return std::move(study_);
  }
  Section section(root_);
  read_name(section.require("study", "the name under which its results are kept"));
  const Field objective = section.take("objective");
  const Field objectives = section.take("objectives");
  if (!objective && !objectives) {
    section.missing("objective", "what to optimize, such as {metric: accuracy, direction: maximize}");
  }
  read_objective(objective, objectives);
  const Field parameters = section.require("parameters", "what to tune");
  ReadSpace space = read_space(parameters, section.take("constraints"));
  const bool whole = parameters && !diagnostics_.failed();
  study_.spec.space = std::move(space.space);
  const CommandNames names{std::move(space.names), std::move(space.conditional), std::move(space.constants)};
  const Field trial = section.take("trial");
  study_.has_trial = static_cast<bool>(trial);
  const auto& objectives_read = study_.spec.objectives;
  study_.spec.trial = read_trial(trial, names, objectives_read.empty() ? "" : objectives_read[0].metric);
  if (trial) check_variables(parameters);
  const Field budget = section.take("budget");
  study_.spec.budget = read_budget(budget);
  const Field early_stopping = section.take("early_stopping");
  study_.spec.early_stopping = read_early_stopping(early_stopping, study_.spec.budget.parallel);
  check_checkpoint(early_stopping);
  study_.spec.resources = read_resources(section.take("resources"), study_.spec.budget.parallel);
  study_.spec.sampler = read_sampler(section.take("sampler"), whole ? &study_.spec.space : nullptr);
  study_.spec.on_best = read_on_best(section.take("on_best"), names, study_.spec.trial.checkpoint);
  study_.spec.max_failures = section.take("max_failures").integer(0);
  const Field retries = section.take("retries");
  if (const auto count = retries.integer(0, 1000)) {
    if (trial.is(Node::Kind::map) && std::any_of(trial.node().entries.begin(), trial.node().entries.end(),
                                                 [](const Entry& e) { return e.key == "retries"; })) {
      retries.error("there is trial.retries too; write one of the two");
    }
    study_.spec.trial.retries = *count;
  }
  if (const auto seed = section.take("seed").integer(0)) study_.spec.seed = static_cast<std::uint64_t>(*seed);
  read_inputs(section.take("inputs"));
  read_storage(section.take("storage"));
  read_device(section.take("device"));
  section.finish({{"name", "write 'study'"},
                  {"metric", "it goes under 'objective'"},
                  {"direction", "it goes under 'objective'"},
                  {"command", "it goes under 'trial'"},
                  {"timeout", "it goes under 'trial'"},
                  {"env", "it goes under 'trial'"},
                  {"metrics", "it goes under 'trial'"},
                  {"trials", "it goes under 'budget'"},
                  {"parallel", "it goes under 'budget'"},
                  {"time", "it goes under 'budget'"},
                  {"gpus", "it goes under 'resources'"},
                  {"space", "write 'parameters'"},
                  {"search_space", "write 'parameters'"},
                  {"hyperparameters", "write 'parameters'"},
                  {"scheduler", "write 'early_stopping'"},
                  {"pruner", "write 'early_stopping'"}});
  if (trial && !study_.spec.budget.trials && !study_.spec.budget.time) {
    (budget ? budget : trial)
        .warning("neither budget.trials nor budget.time is given: the study runs until it is stopped");
  }
  return std::move(study_);
}

}  // namespace

LoadedStudy read_study(const Node& root, const std::filesystem::path& folder, Diagnostics& diagnostics) {
  return StudyReader(root, folder, diagnostics).read();
}

}  // namespace krigon::detail
