#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "render/human.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  bool json = false;
};

int status(const Options& options, Context& context) {
  const OpenStudy study = open_study(context, options.study);
  const StudySpec& spec = study.record.spec;
  const StudyHead& head = study.record.head;
  const auto best =
      head.best_trial < 0 ? std::nullopt : study.storage->trial(study.record.id, head.best_trial);
  const auto running = study.storage->running_attempts(study.record.id);
  const auto workers = study.storage->workers(study.record.id);
  if (options.json) {
    nlohmann::json json = head_json(head);
    json["study"] = study.record.name;
    json["storage"] = study.storage->url();
    json["revision"] = study.record.revision;
    json["created"] = time_json(study.record.created);
    json["budget"] = spec.budget.trials ? nlohmann::json(*spec.budget.trials) : nlohmann::json(nullptr);
    json["best"] = best ? trial_json(*best) : nlohmann::json(nullptr);
    json["running_trials"] = nlohmann::json::array();
    for (const auto& attempt : running) {
      json["running_trials"].push_back({{"trial", attempt.trial},
                                        {"attempt", attempt.number},
                                        {"worker", attempt.worker},
                                        {"started", time_json(attempt.started)}});
    }
    json["workers"] = nlohmann::json::array();
    for (const auto& worker : workers) {
      json["workers"].push_back({{"worker", worker.name},
                                 {"host", worker.host},
                                 {"slots", worker.slots},
                                 {"running", worker.running},
                                 {"waiting", worker.waiting},
                                 {"started", time_json(worker.started)},
                                 {"proposes", worker.name == head.suggester}});
    }
    context.out << dump(json) << "\n";
    return kOk;
  }
  const std::string done = spec.budget.trials
                               ? fmt::format("{} of {} trials", head.finished(), *spec.budget.trials)
                               : count_of(head.finished(), "trial");
  std::vector<std::pair<std::string, Cell>> fields{
      {"study", study.record.name},
      {"storage", study.storage->url()},
      {"done", fmt::format("{}: {} completed, {} stopped early, {} failed", done, head.completed,
                           head.stopped, head.failed)},
      {"now", fmt::format("{} running, {} queued{}", head.running, head.queued,
                          head.paused > 0 ? fmt::format(", {} paused", head.paused) : "")},
      {"running time", human_duration(static_cast<double>(head.running_time) / kSecond)},
      {"best", best ? fmt::format("{} {} (trial {})", spec.objective().metric,
                                  value_text(*best, spec.objective()), best->number)
                    : "none yet"},
  };
  if (best) fields.emplace_back("parameters", short_parameters_line(spec.space, best->parameters));
  context.out << render_fields(fields, context.out_terminal);
  if (!workers.empty()) {
    Table living{{{"worker"}, {"slots", Align::right}, {"since (UTC)"}, {"proposes"}}, {}};
    for (const auto& worker : workers) {
      living.rows.push_back({worker.name, std::to_string(worker.slots), human_time(worker.started),
                             worker.name == head.suggester ? "yes" : ""});
    }
    context.out << "\n" << render_table(living, context.out_terminal);
  }
  if (running.empty()) return kOk;
  Table table{{{"running", Align::right}, {"attempt", Align::right}, {"worker"}, {"started (UTC)"}}, {}};
  for (const auto& attempt : running) {
    table.rows.push_back({std::to_string(attempt.trial), std::to_string(attempt.number), attempt.worker,
                          human_time(attempt.started)});
  }
  context.out << "\n" << render_table(table, context.out_terminal);
  return kOk;
}

}  // namespace

void add_status(Program& program) {
  program.add<Options>("status", "How far a study is: counts, running trials, the best so far", status,
                       [](CommandBuilder& command, Options& o) {
                         o.study.add_to(command);
                         command.flag("--json", o.json, "Print one JSON object");
                         command.footer(R"(Example:
  krigon status study.yaml)");
                       });
}

}  // namespace krigon::cli
