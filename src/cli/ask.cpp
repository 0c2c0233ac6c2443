#include <ostream>

#include <fmt/format.h>

#include "cli/asking.hpp"
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::optional<std::int64_t> count;
  std::string key;
  bool json = false;
};

int ask(const Options& options, Context& context) {
  const OpenStudy study = open_or_create_study(context, options.study);
  const auto manager = study.manager(context);
  const AskResult result = ask_trials(*manager, options.count.value_or(1), options.key);
  for (const auto& asked : result.trials) {
    if (options.json) {
      context.out << dump(asked_json(asked)) << "\n";
    } else {
      const std::string line = parameters_line(study.record.spec.space, asked.trial.parameters);
      context.out << fmt::format("{}{}{}\n", asked.trial.number, line.empty() ? "" : " ", line);
    }
  }
  if (result.none_left.empty()) return kOk;
  context.err << "krigon: " << result.none_left << "\n";
  return result.trials.empty() ? kNoResult : kOk;
}

}  // namespace

void add_ask(Program& program) {
  program.add<Options>(
      "ask", "Propose trials for you to run: a number and parameters each", ask,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        o.study.add_device_to(command);
        command.integer("--count", o.count, "How many trials (default: 1)", 1, kMostAsked);
        command.text("--key", o.key, "The same key gives the same trials again", "KEY");
        command.flag("--json", o.json, "Print one JSON object a line");
        command.footer(R"(The study is created where it is not there yet. End each trial with `krigon tell`.
Exit status 1 when nothing is left to propose.

Example:
  krigon ask study.yaml --key host1-0)");
      });
}

}  // namespace krigon::cli
