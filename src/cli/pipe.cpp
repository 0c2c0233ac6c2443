#include <csignal>
#include <istream>
#include <ostream>
#include <string>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/pipe_session.hpp"
#include "cli/study_option.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
};

int pipe(const Options& options, Context& context) {
  const OpenStudy study = open_or_create_study(context, options.study);
  const auto manager = study.manager(context);
  // A reader that went away is an error of this output, not a silent end.
  std::signal(SIGPIPE, SIG_IGN);
  PipeSession session(*manager);
  std::string line;
  while (std::getline(context.in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    context.out << session.handle(line) << std::endl;
    if (!context.out) break;
  }
  return kOk;
}

}  // namespace

void add_pipe(Program& program) {
  program.add<Options>(
      "pipe", "Serve a study over standard input and output, one JSON object a line", pipe,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        o.study.add_device_to(command);
        command.footer(R"(Operations: ask (count, key), report (trial, step, metrics), tell (trial, metrics),
fail (trial, reason), best. The same key gives the same trial again. An error is answered by
{"error": ...} and the pipe goes on. After {"stop": true} the trial is over. Trials that were
not told stay running: another pipe may tell them.

Example:
  $ krigon pipe study.yaml
  {"op": "ask"}
  {"op": "report", "trial": 0, "step": 1, "metrics": {"loss": 0.4}}
  {"op": "tell", "trial": 0, "metrics": {"loss": 0.3}})");
      });
}

}  // namespace krigon::cli
