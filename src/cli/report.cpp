#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::vector<std::string> words;  ///< [STUDY] [step=N] METRIC=VALUE...
  std::optional<std::int64_t> trial;
  bool json = false;
};

struct Said {
  std::string file;
  std::optional<std::int64_t> step;
  Metrics metrics;
};

Said read_words(const std::vector<std::string>& words) {
  Said said;
  for (const auto& word : words) {
    if (word.find('=') == std::string::npos) {
      if (!said.file.empty()) throw UsageError(fmt::format("found \"{}\", expected METRIC=VALUE", word));
      said.file = word;
      continue;
    }
    const auto [name, text] = split_assignment(word);
    if (name == "step") {
      if (said.step) throw UsageError("step is given twice");
      said.step = parse_integer(text, "step");
      if (*said.step < 1)
        throw UsageError(fmt::format("step is {}: steps count completed units from 1", *said.step));
    } else if (!said.metrics.emplace(name, parse_number(text, fmt::format("metric \"{}\"", name))).second) {
      throw UsageError(fmt::format("metric \"{}\" is given twice", name));
    }
  }
  if (said.metrics.empty()) throw UsageError("nothing to report: expected METRIC=VALUE");
  return said;
}

int report_inside(const Said& said, const Options& options, Context& context) {
  const std::string file = context.variable("KRIGON_REPORT_FILE");
  if (file.empty()) {
    throw UsageError(
        "KRIGON_REPORT_FILE is not set: inside a trial it is, elsewhere give --trial N and the study");
  }
  if (!said.file.empty()) throw UsageError(fmt::format("found \"{}\", expected METRIC=VALUE", said.file));
  context.services.append_report(file, said.step, said.metrics);
  if (options.json) context.out << dump({{"ok", true}}) << "\n";
  return kOk;
}

int report_outside(const Said& said, Options options, Context& context) {
  if (!said.step) throw UsageError("expected step=N (final metrics are for `krigon tell`)");
  options.study.file = said.file;
  const OpenStudy study = open_study(context, options.study);
  const auto manager = study.manager(context);
  const Judgement judgement = manager->report(*options.trial, 0, *said.step, said.metrics);
  const bool stop = judgement.verdict != Verdict::go_on;
  if (stop) {
    const auto trial = study.storage->trial(study.record.id, *options.trial);
    if (trial && !ended(trial->state)) manager->end_early(*options.trial, 0, judgement.reason);
  }
  if (options.json) {
    context.out << dump({{"stop", stop}, {"reason", judgement.reason}}) << "\n";
  } else {
    context.out << (stop ? "stop" : "continue") << "\n";
  }
  return kOk;
}

int report(const Options& options, Context& context) {
  const Said said = read_words(options.words);
  return options.trial ? report_outside(said, options, context) : report_inside(said, options, context);
}

}  // namespace

void add_report(Program& program) {
  program.add<Options>(
      "report", "Report a trial's metrics, from inside it or for a trial from `ask`", report,
      [](CommandBuilder& command, Options& o) {
        o.study.add_options_to(command);
        command.words(o.words, "[STUDY] [step=N] METRIC=VALUE...", "What to report", 1, kAnyNumber);
        command.integer("--trial", o.trial, "A trial from `ask` (inside a trial of `run`: not needed)", 0,
                        INT64_MAX);
        command.flag("--json", o.json, "Print one JSON object");
        command.footer(
            R"(Inside a trial the line is appended to the file at KRIGON_REPORT_FILE; without a step the
metrics are the final ones. With --trial it prints `continue` or `stop`; `stop` has ended the
trial as stopped early.

Example:
  krigon report step=3 accuracy=0.91
  krigon report study.yaml --trial 12 step=3 loss=0.4)");
      });
}

}  // namespace krigon::cli
