#include <csignal>
#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/interrupts.hpp"
#include "cli/leases.hpp"
#include "cli/run_display.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "core/url.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"
#include "worker/run_loop.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::optional<std::int64_t> parallel;
  std::string folder;
  std::string trials_folder;
  bool quiet = false;
  bool json = false;
};

int work(const Options& options, Context& context) {
  OpenStudy study = open_or_create_study(context, options.study);
  if (study.record.spec.trial.command.empty()) {
    throw UsageError(
        fmt::format("the study \"{}\" in {} has no trial command that a worker could run (trial: {{command: "
                    "[...]}}); one without is driven by ask and tell, or by pipe",
                    study.record.name, without_password(study.place.url)));
  }
  if (study.place.url == "memory:") {
    throw UsageError("a worker shares its study with other processes: memory: cannot be shared");
  }
  check_checkpoint(context, study);
  if (!options.folder.empty()) study.place.folder = options.folder;
  const auto manager = study.manager(context);
  std::signal(SIGPIPE, SIG_IGN);

  const Interrupts interrupts;
  RunOptions run;
  run.study_folder = std::filesystem::absolute(study.place.folder);
  run.trials_folder = options.trials_folder.empty() ? study.place.trials_folder(study.record.name)
                                                    : std::filesystem::absolute(options.trials_folder);
  run.interrupts = [] { return Interrupts::count(); };
  run.wake_fd = interrupts.wake_fd();
  run.slots = options.parallel.value_or(1);
  run.heartbeat_file = context.variable("KRIGON_HEARTBEAT_FILE");
  set_leases(context, run);
  RunResult result;
  {
    RunDisplay display(context, study.record, interrupts, options.quiet);
    result = run_study(*manager, run, display);
  }
  if (options.json) {
    nlohmann::json json = head_json(result.head);
    json["study"] = study.record.name;
    json["end"] = to_string(result.end);
    json["ended_here"] = result.ended_here;
    context.out << dump(json) << "\n";
  } else {
    context.out << fmt::format("{} ended here; the study \"{}\" has {} ({})\n",
                               count_of(result.ended_here, "trial"), study.record.name,
                               count_of(result.head.finished(), "ended trial"), to_string(result.end));
  }
  return result.end == RunEnd::interrupted ? kInterrupted : kOk;
}

}  // namespace

void add_worker(Program& program) {
  program.add<Options>(
      "worker", "Run trials of a study that others work on too, on this machine or elsewhere", work,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        o.study.add_device_to(command);
        command.integer("--parallel", o.parallel, "Trials at a time in this worker (default: 1)", 1,
                        1'000'000);
        command.text("--folder", o.folder,
                     "Where the study's program and inputs are (default: the study file's folder, or here)",
                     "DIR");
        command.text("--trials-folder", o.trials_folder,
                     "Where trials have their folders; shared by machines, a trial that goes on elsewhere "
                     "finds its checkpoint (default: krigon-trials in the study's folder)",
                     "DIR");
        command.flag("--quiet", o.quiet, "Show no progress");
        command.flag("--json", o.json, "Print the end as one JSON object");
        command.footer(
            R"(Any number of workers may come and go. A study that is named by its file is created where it is not
there yet. Ends when the study does. On SIGTERM the running trials are stopped and
handed back to the queue; exit status 130. $KRIGON_STORAGE stands for --storage where that is not
given, so that a password need not be seen among the processes.

Example:
  krigon worker --storage postgresql://user@host/db --study digits --parallel 4)");
      });
}

}  // namespace krigon::cli
