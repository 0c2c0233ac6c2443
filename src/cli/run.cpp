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
#include "krigon/error.hpp"
#include "render/human.hpp"
#include "render/table.hpp"
#include "render/width.hpp"
#include "worker/run_loop.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::optional<std::int64_t> trials;
  std::optional<std::int64_t> parallel;
  bool quiet = false;
  bool json = false;
};

void override_budget(const Options& options, StudyPlace& place) {
  if (!options.trials && !options.parallel) return;
  if (!place.loaded) throw UsageError("--trials and --parallel need a study file");
  auto& budget = place.loaded->spec.budget;
  if (options.trials) budget.trials = options.trials;
  if (options.parallel) budget.parallel = *options.parallel;
}

std::string end_text(const RunResult& result, const StudySpec& spec) {
  switch (result.end) {
    case RunEnd::budget:
      return fmt::format("the budget of {} is used up", count_of(spec.budget.trials.value_or(0), "trial"));
    case RunEnd::time:
      return "the time of the budget is up";
    case RunEnd::exhausted:
      return "every point was tried";
    case RunEnd::interrupted:
      return "interrupted; run it again to go on";
    case RunEnd::too_many_failures:
      break;
  }
  return fmt::format("more than {} failed", count_of(spec.max_failures.value_or(0), "trial"));
}

/// What a person types to run the trial again.
std::string reproduce_line(const Options& options, const OpenStudy& study, const TrialRecord& trial) {
  std::vector<std::string> words{"krigon", "reproduce"};
  if (!study.place.file.empty()) words.push_back(study.place.file.string());
  if (!options.study.storage.empty()) words.insert(words.end(), {"--storage", options.study.storage});
  if (!options.study.name.empty()) words.insert(words.end(), {"--study", options.study.name});
  words.push_back(std::to_string(trial.number));
  return shell_line(words);
}

std::optional<TrialRecord> last_failed(const OpenStudy& study) {
  TrialQuery query;
  query.state = TrialState::failed;
  auto failed = study.storage->trials(study.record.id, query);
  if (failed.empty()) return std::nullopt;
  return std::move(failed.back());
}

void print_end(const Options& options, const OpenStudy& study, const RunResult& result,
               const std::optional<TrialRecord>& best, Context& context) {
  const StudySpec& spec = study.record.spec;
  const StudyHead& head = result.head;
  const std::string command = best ? command_line(spec, *best, trial_seed(spec, best->number)) : "";
  if (options.json) {
    nlohmann::json json = head_json(head);
    json["study"] = spec.name;
    json["end"] = to_string(result.end);
    json["ended_here"] = result.ended_here;
    json["best"] = best ? trial_json(*best) : nlohmann::json(nullptr);
    json["command"] = best ? nlohmann::json(command) : nlohmann::json(nullptr);
    context.out << dump(json) << "\n";
    return;
  }
  const auto& terminal = context.out_terminal;
  std::vector<std::pair<std::string, Cell>> fields{
      {"study", spec.name},
      {"end", end_text(result, spec)},
      {"trials", fmt::format("{}: {} completed, {} stopped early, {} failed", head.finished(), head.completed,
                             head.stopped, head.failed)},
      {"running time", human_duration(static_cast<double>(head.running_time) / kSecond)},
  };
  if (!best) {
    fields.emplace_back("best", Cell("no trial has completed", Color::red));
    if (const auto failed = last_failed(study)) {
      const auto attempts = study.storage->attempts(study.record.id, failed->number);
      const std::string said = attempts.empty() ? "" : last_line(attempts.back().stderr_tail);
      fields.emplace_back("last failure", fmt::format("trial {}: {}{}{}", failed->number, failed->reason,
                                                      said.empty() ? "" : ": ", said));
    }
    context.out << render_fields(fields, terminal);
    return;
  }
  const auto metric = spec.objective().metric;
  fields.emplace_back(
      "best", Cell(fmt::format("{} {} (trial {})", metric, to_string(best->metrics.at(metric)), best->number),
                   Color::green));
  context.out << render_fields(fields, terminal) << "\n";
  Table table{{{"parameter"}, {"value"}}, {}};
  for (const auto& parameter : spec.space.parameters()) {
    const auto found = best->parameters.find(parameter.name);
    if (found != best->parameters.end()) table.rows.push_back({parameter.name, to_string(found->second)});
  }
  context.out << render_table(table, terminal);
  context.out << "\nThe program with these parameters:\n  " << printable(command) << "\n"
              << "The trial again, with its seed:\n  " << printable(reproduce_line(options, study, *best))
              << "\n";
}

int run_command(const Options& options, Context& context) {
  StudyPlace place = locate(context, options.study);
  override_budget(options, place);
  if (place.loaded && place.loaded->spec.trial.command.empty()) {
    throw UsageError(
        fmt::format("{}: run needs a trial command (trial: {{command: [...]}}); a study without one is "
                    "driven by ask and tell, or by pipe",
                    place.file.string()));
  }
  const OpenStudy study = open_or_create_study(context, std::move(place));
  check_checkpoint(context, study);
  // That it is the CPU is what everybody expects; `krigon doctor` says why.
  if (!options.quiet && !study.compute.line.starts_with("cpu")) {
    context.err << "krigon: proposals are computed on " << study.compute.line << "\n";
  }
  const auto manager = study.manager(context);
  std::signal(SIGPIPE, SIG_IGN);  // a pager that was closed must not end the trials

  const Interrupts interrupts;
  RunOptions run;
  set_leases(context, run);
  run.study_folder = std::filesystem::absolute(study.place.folder);
  run.trials_folder = study.place.trials_folder(study.record.name);
  run.interrupts = [] { return Interrupts::count(); };
  run.wake_fd = interrupts.wake_fd();
  RunResult result;
  {
    RunDisplay display(context, study.record, interrupts, options.quiet);
    result = run_study(*manager, run, display);
  }
  const auto best = manager->best();
  print_end(options, study, result, best, context);
  if (result.end == RunEnd::interrupted) return kInterrupted;
  return best && result.end != RunEnd::too_many_failures ? kOk : kNoResult;
}

}  // namespace

void add_run(Program& program) {
  program.add<Options>(
      "run", "Run a study's trials until its budget is used up, or go on with them", run_command,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        o.study.add_device_to(command);
        command.integer("--trials", o.trials, "The budget of trials, instead of the study file's", 1,
                        INT64_MAX);
        command.integer("--parallel", o.parallel, "Trials at a time, instead of the study file's", 1,
                        1'000'000);
        command.flag("--quiet", o.quiet, "Show no progress");
        command.flag("--json", o.json, "Print the end as one JSON object");
        command.footer(
            R"(Ctrl-C once: no new trials, running ones end; twice: they are stopped; three times: killed.
Started again, the study goes on where it was. Progress goes to standard error: a live
display on a terminal, else lines.

Example:
  krigon run study.yaml)");
      });
}

}  // namespace krigon::cli
