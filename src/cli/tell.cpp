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
  std::vector<std::string> words;  ///< [STUDY] TRIAL METRIC=VALUE...
  std::optional<std::string> failed;
  std::optional<std::string> cancelled;
  bool stopped = false;
  bool json = false;
};

/// The words sorted out: the first without '=' that is no number is the study file.
struct Said {
  std::string file;
  std::int64_t trial = -1;
  Metrics metrics;
};

Said read_words(const std::vector<std::string>& words) {
  Said said;
  std::vector<std::string> plain;
  for (const auto& word : words) {
    if (word.find('=') == std::string::npos) {
      plain.push_back(word);
      continue;
    }
    const auto [name, text] = split_assignment(word);
    if (!said.metrics.emplace(name, parse_number(text, fmt::format("metric \"{}\"", name))).second) {
      throw UsageError(fmt::format("metric \"{}\" is given twice", name));
    }
  }
  if (plain.empty() || plain.size() > 2) throw UsageError("expected [STUDY] TRIAL METRIC=VALUE...");
  if (plain.size() == 2) said.file = plain.front();
  said.trial = parse_integer(plain.back(), "TRIAL");
  return said;
}

Command command_of(const Options& options, const Said& said) {
  if (options.stopped) return StopTrial{said.trial, 0, "stopped by a person"};
  if (options.cancelled) return CancelTrial{said.trial, *options.cancelled};
  if (options.failed) {
    FailAttempt fail;
    fail.trial = said.trial;
    fail.reason = *options.failed;
    return fail;
  }
  return CompleteTrial{said.trial, 0, said.metrics, {}};
}

int tell(Options options, Context& context) {
  const Said said = read_words(options.words);
  const bool ending = options.stopped || options.cancelled || options.failed;
  if (ending && !said.metrics.empty()) {
    throw UsageError("metrics are for a completed trial: give them, or --failed, --stopped or --cancelled");
  }
  if (!ending && said.metrics.empty())
    throw UsageError("expected METRIC=VALUE, or --failed, --stopped or --cancelled");
  options.study.file = said.file;
  const OpenStudy study = open_study(context, options.study);
  const Applied applied = study.manager(context)->apply(command_of(options, said));
  if (options.json) {
    context.out << dump({{"ok", true},
                         {"changed", applied.changed},
                         {"state", to_string(applied.trial->state)}})
                << "\n";
  } else {
    context.out << fmt::format("trial {} {}{}\n", said.trial, applied.changed ? "is " : "was already ",
                               to_string(applied.trial->state));
  }
  return kOk;
}

}  // namespace

void add_tell(Program& program) {
  program.add<Options>(
      "tell", "Tell how a trial from `ask` ended: its final metrics, or that it failed", tell,
      [](CommandBuilder& command, Options& o) {
        o.study.add_options_to(command);
        command.words(o.words, "[STUDY] TRIAL METRIC=VALUE...", "The trial's number and its final metrics", 1,
                      kAnyNumber);
        const auto failed = command.text("--failed", o.failed, "It gave no value, for this reason", "REASON");
        const auto cancelled =
            command.text("--cancelled", o.cancelled, "It is withdrawn, for this reason", "REASON");
        const auto stopped =
            command.flag("--stopped", o.stopped, "It was stopped early; its last report stays");
        command.exclusive(failed, cancelled);
        command.exclusive(failed, stopped);
        command.exclusive(cancelled, stopped);
        command.flag("--json", o.json, "Print one JSON object");
        command.footer(
            R"(The first word counts: an equal second is a no-op, a different one exits with status 4.

Example:
  krigon tell study.yaml 12 loss=0.31
  krigon tell study.yaml 13 --failed 'out of memory')");
      });
}

}  // namespace krigon::cli
