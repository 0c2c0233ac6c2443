#include "config/study_reader.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "config/checks.hpp"
#include "config/command.hpp"
#include "config/early_stopping_reader.hpp"
#include "config/field.hpp"
#include "config/scalar.hpp"
#include "config/space_reader.hpp"
#include "config/suggest.hpp"
#include "core/checkpoint.hpp"
#include "core/device.hpp"
#include "core/url.hpp"

namespace krigon::detail {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
/// That a model can be limited to: fewer are too few to be worth it, and more were never tried.
constexpr std::int64_t kLeastObservations = 100, kMostObservations = 100'000;

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
  void read_trial(const Field& field, const CommandNames& names);
  void read_metrics(const Field& field);
  void check_variables(const Field& parameters);
  void read_env(const Field& field, const CommandNames& names);
  void check_checkpoint(const Field& early_stopping);
  void read_budget(const Field& field);
  void read_resources(const Field& field);
  void read_sampler(const Field& field, bool space_is_whole);
  void read_on_best(const Field& field, const CommandNames& names);
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

void StudyReader::read_env(const Field& field, const CommandNames& names) {
  for (const auto& entry : field.entries("variables", "{OMP_NUM_THREADS: 1}")) {
    const std::string& name = entry.key();
    if (!valid_variable(name)) {
      entry.error("a variable's name is made of letters, digits and '_', a letter or '_' first");
    } else if (name.starts_with("KRIGON_")) {
      entry.error("names that start with KRIGON_ are set by Krigon itself");
    } else if (const auto text = entry.any_text()) {
      study_.spec.trial.env[name] = *text;
      for (const auto& parameter : names.parameters) {
        if (text->find("{" + parameter + "}") == std::string::npos) continue;
        entry.warning(fmt::format("{{{}}} is filled in in commands only; its value is in the variable {}",
                                  parameter, parameter_variable(parameter)));
      }
    }
  }
}

void StudyReader::read_metrics(const Field& field) {
  std::vector<std::string> names;
  for (const auto& entry : field.entries("metrics", "{accuracy: {from: stdout, pattern: 'acc=([0-9.]+)'}}")) {
    if (const auto why = why_no_metric(entry.key()); !why.empty()) entry.error(why);
    names.push_back(entry.key());
    if (entry.is(Node::Kind::scalar)) {
      entry.error(fmt::format("found {}, expected {{from: stdout, pattern: '...'}}", shown(entry.node())));
      continue;
    }
    Section section(entry);
    const Field from = section.take("from");
    const Field pattern = section.require("pattern", "a regular expression whose first group is the number");
    const auto source = from.word({"stdout", "stderr"});
    const auto text = pattern.text();
    if (text) {
      if (const auto why = why_no_pattern(*text); !why.empty()) pattern.error(why);
    }
    section.finish({{"regex", "write 'pattern'"}, {"source", "write 'from'"}});
    if (text) study_.spec.trial.metrics[entry.key()] = {source && *source == "stderr", *text};
  }
  if (names.empty() || study_.spec.objectives.empty()) return;
  const std::string& objective = study_.spec.objectives[0].metric;
  if (std::find(names.begin(), names.end(), objective) == names.end()) {
    field.warning(fmt::format(
        "the objective's metric {} is not among these, so the trials have to report it themselves{}",
        in_quotes(objective), did_you_mean(objective, names)));
  }
}

// Parameters that reach a trial under one and the same variable could not be told apart.
void StudyReader::check_variables(const Field& parameters) {
  if (!parameters.is(Node::Kind::map)) return;
  std::map<std::string, std::string> by_variable;
  for (const auto& parameter : parameters.entries("parameters", "{}")) {
    const std::string variable = parameter_variable(parameter.key());
    const auto [first, is_new] = by_variable.emplace(variable, parameter.key());
    if (is_new) continue;
    parameter.error(fmt::format("this and {} would both be {} in a trial's environment; rename one",
                                key_text(first->second), variable));
  }
}

void StudyReader::read_trial(const Field& field, const CommandNames& names) {
  Section section(field);
  TrialSpec& trial = study_.spec.trial;
  study_.has_trial = static_cast<bool>(field);
  const Field command =
      section.require("command", "the program and its arguments, such as [python3, train.py]");
  if (const auto keeps = section.take("checkpoint").boolean()) trial.checkpoint = *keeps;
  trial.command = read_command(command, names, trial.checkpoint);
  const Field timeout = section.take("timeout");
  trial.timeout = timeout.duration();
  if (trial.timeout && trial.timeout->count() <= 0) timeout.error("found 0, expected a duration above 0");
  if (const auto grace = section.take("grace").duration()) trial.grace = *grace;
  if (const auto retries = section.take("retries").integer(0, 1000)) trial.retries = *retries;
  read_env(section.take("env"), names);
  read_metrics(section.take("metrics"));
  const Field limit = section.take("output_limit");
  if (const auto size = limit.size()) {
    if (*size < 1024) limit.error(fmt::format("found {}, expected at least 1k", shown(limit.node())));
    trial.output_limit = *size;
  }
  if (const auto word = section.take("cwd").word({"trial", "study"})) trial.own_folder = *word == "trial";
  section.finish({{"cmd", "write 'command'"},
                  {"run", "write 'command'"},
                  {"args", "arguments are part of 'command'"},
                  {"environment", "write 'env'"},
                  {"workdir", "write 'cwd'"},
                  {"checkpoints", "write 'checkpoint'"},
                  {"parallel", "it goes under 'budget'"},
                  {"gpus", "it goes under 'resources'"},
                  {"memory", "it goes under 'resources'"}});
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

void StudyReader::read_budget(const Field& field) {
  Section section(field);
  BudgetSpec& budget = study_.spec.budget;
  budget.trials = section.take("trials").integer(1);
  if (const auto parallel = section.take("parallel").integer(1, 10'000)) budget.parallel = *parallel;
  const Field time = section.take("time");
  budget.time = time.duration();
  if (budget.time && budget.time->count() <= 0) time.error("found 0, expected a duration above 0");
  section.finish({{"max_trials", "write 'trials'"},
                  {"n_trials", "write 'trials'"},
                  {"workers", "write 'parallel'"},
                  {"jobs", "write 'parallel'"},
                  {"n_jobs", "write 'parallel'"},
                  {"timeout", "write 'time'"}});
}

void StudyReader::read_resources(const Field& field) {
  Section section(field);
  ResourceSpec& r = study_.spec.resources;
  const Field gpus = section.take("gpus");
  const Field per_trial = section.take("gpus_per_trial");
  std::set<int> seen;
  for (const auto& item : gpus.items("GPU numbers", "[0, 1]")) {
    const auto number = item.integer(0, 1'000'000);
    if (!number) continue;
    const int gpu = static_cast<int>(*number);
    if (!seen.insert(gpu).second) {
      item.error(fmt::format("GPU {} is there already", gpu));
    } else {
      r.gpus.push_back(gpu);
    }
  }
  const auto count = per_trial.integer(0, 1'000'000);
  // Who lists GPUs wants them used.
  r.gpus_per_trial = count.value_or(per_trial || r.gpus.empty() ? 0 : 1);
  const auto had = static_cast<std::int64_t>(r.gpus.size());
  if (count && *count > had && gpus.is(Node::Kind::list)) {
    per_trial.error(fmt::format("found {}, but 'gpus' lists only {}", *count, had));
  }
  if (const auto cpus = section.take("cpus_per_trial").integer(0, 1'000'000)) r.cpus_per_trial = *cpus;
  const Field memory = section.take("memory");
  r.memory = memory.size();
  if (r.memory && *r.memory < (1u << 20)) {
    memory.error(fmt::format("found {}, expected at least 1M", shown(memory.node())));
  }
  section.finish({{"cpus", "write 'cpus_per_trial'"}, {"gpu", "write 'gpus'"}});
  const std::int64_t parallel = study_.spec.budget.parallel;
  // Without a list they are those that the worker sees, wherever it runs.
  if (gpus && r.gpus_per_trial > 0 && parallel > had / r.gpus_per_trial) {
    gpus.warning(fmt::format("these GPUs serve {} trials at a time, fewer than budget.parallel ({})",
                             had / r.gpus_per_trial, parallel));
  }
}

void StudyReader::read_sampler(const Field& field, bool space_is_whole) {
  const std::vector<std::string> types{"auto", "gp", "random", "sobol", "grid"};
  const Field::WrongWords wrong{{"bayesian", "write gp"},
                                {"bayes", "write gp"},
                                {"tpe", "gp comes closest"},
                                {"quasirandom", "write sobol"}};
  SamplerSpec& sampler = study_.spec.sampler;
  Field type = field;
  if (field && !field.is(Node::Kind::scalar)) {
    Section section(field);
    type = section.take("type");
    const Field initial = section.take("initial");
    sampler.initial = initial.integer(0, kMost);
    const Field observations = section.take("observations");
    sampler.observations = observations.integer(kLeastObservations, kMostObservations);
    section.finish({{"n_startup_trials", "write 'initial'"}, {"seed", "it goes to the top of the file"}});
    if (const auto word = type.word(types, wrong)) sampler.type = *word;
    if (sampler.type == "random" || sampler.type == "sobol" || sampler.type == "grid") {
      for (const Field& unused : {initial, observations}) {
        if (unused) unused.warning(fmt::format("has no effect with sampler {}", sampler.type));
      }
    }
  } else if (const auto word = field.word(types, wrong)) {
    sampler.type = *word;
  }
  if (sampler.type == "grid" && space_is_whole && !study_.spec.space.size()) {
    std::vector<std::string> names;
    for (const auto& p : study_.spec.space.parameters()) {
      const auto* real = std::get_if<RealDomain>(&p.domain);
      if (real != nullptr && !real->step) names.push_back(p.name);
    }
    type.error(fmt::format(
        "grid tries every value, and these are real numbers without a step: {}; give them a step or values",
        listed(names)));
  }
}

void StudyReader::read_on_best(const Field& field, const CommandNames& names) {
  if (!field) return;
  if (field.is(Node::Kind::list)) {
    field.error("found a list, expected {command: [program, argument, ...]}");
    return;
  }
  Section section(field);
  study_.spec.on_best = read_command(section.require("command", "the program and its arguments"), names,
                                     study_.spec.trial.checkpoint);
  section.finish({{"cmd", "write 'command'"}, {"run", "write 'command'"}});
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
  read_trial(trial, names);
  if (trial) check_variables(parameters);
  const Field budget = section.take("budget");
  read_budget(budget);
  const Field early_stopping = section.take("early_stopping");
  study_.spec.early_stopping = read_early_stopping(early_stopping, study_.spec.budget.parallel);
  check_checkpoint(early_stopping);
  read_resources(section.take("resources"));
  read_sampler(section.take("sampler"), whole);
  read_on_best(section.take("on_best"), names);
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
