#include <bit>
#include <map>
#include <memory>
#include <ostream>
#include <set>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/interrupts.hpp"
#include "cli/trial_text.hpp"
#include "cli/trial_word.hpp"
#include "cli/values.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"
#include "render/table.hpp"
#include "render/width.hpp"
#include "runner/runner.hpp"
#include "worker/fingerprint.hpp"

namespace krigon::cli {
namespace {

struct Options {
  TrialOption trial;
  bool json = false;
};

/// What a trial said, once as recorded and once as it says now.
struct Course {
  std::map<std::int64_t, Metrics> reports;
  Metrics metrics;  ///< final
  std::string end;  ///< "completed", or how it ended instead
};

Course recorded_course(const ChosenTrial& chosen) {
  Course course;
  for (const auto& r : chosen.study.storage->reports(chosen.study.record.id, chosen.trial.number)) {
    if (r.attempt == chosen.trial.attempts) course.reports[r.step][r.metric] = r.value;
  }
  course.metrics = chosen.trial.metrics;
  course.end = to_string(chosen.trial.state);
  return course;
}

/// Runs it in a folder of its own. A trial that was stopped early is stopped at the same step.
/// nullopt: interrupted.
std::optional<Course> run_again(const ChosenTrial& chosen, const Course& before) {
  const Interrupts interrupts;
  StudyPlace place = chosen.study.place;
  Runner runner({chosen.spec,
                 std::filesystem::absolute(place.folder),
                 place.trials_folder(chosen.study.record.name + "-reproduced"),
                 {}});
  runner.start({chosen.trial.number, std::max<std::int64_t>(1, chosen.trial.attempts), chosen.seed,
                chosen.trial.parameters});
  const bool was_stopped = chosen.trial.state == TrialState::stopped && !before.reports.empty();
  const std::int64_t last = was_stopped ? before.reports.rbegin()->first : INT64_MAX;
  Course course;
  int heeded = 0;
  while (true) {
    for (const auto& event : runner.poll(std::chrono::milliseconds(500), interrupts.wake_fd())) {
      if (const auto* reported = std::get_if<Reported>(&event)) {
        if (reported->step > last) continue;
        for (const auto& [name, value] : reported->metrics) course.reports[reported->step][name] = value;
        if (reported->step == last) runner.stop(chosen.trial.number, StopReason::early_stop);
      } else {
        const auto& ended = std::get<Ended>(event);
        if (heeded > 0) return std::nullopt;
        course.metrics = ended.outcome == Outcome::completed ? ended.metrics : Metrics{};
        course.end = ended.outcome == Outcome::completed || ended.outcome == Outcome::stopped
                         ? std::string(to_string(ended.outcome))
                         : fmt::format("failed: {}", ended.reason);
        return course;
      }
    }
    interrupts.drain();
    if (Interrupts::count() == heeded) continue;
    heeded = Interrupts::count();
    if (heeded == 1) {
      runner.stop(chosen.trial.number, StopReason::cancelled);
    } else {
      runner.kill(chosen.trial.number);
    }
  }
}

/// A line for each value that differs, or is on one side only.
struct Difference {
  std::string what;
  std::string recorded;
  std::string now;
};

void compare(const std::string& where, const Metrics& before, const Metrics& now,
             std::vector<Difference>& out) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  for (const auto& name : names) {
    const auto a = before.find(name);
    const auto b = now.find(name);
    if (a != before.end() && b != now.end() &&
        std::bit_cast<std::uint64_t>(a->second) == std::bit_cast<std::uint64_t>(b->second)) {
      continue;
    }
    out.push_back({name + where, a == before.end() ? "-" : to_string(a->second),
                   b == now.end() ? "-" : to_string(b->second)});
  }
}

std::vector<Difference> differences(const Course& before, const Course& now) {
  std::vector<Difference> out;
  const auto plain = [](const std::string& end) { return end.substr(0, end.find(':')); };
  if (plain(before.end) != plain(now.end)) out.push_back({"how it ended", before.end, now.end});
  std::set<std::int64_t> steps;
  for (const auto& [step, metrics] : before.reports) steps.insert(step);
  for (const auto& [step, metrics] : now.reports) steps.insert(step);
  const auto at = [](const Course& course, std::int64_t step) {
    const auto found = course.reports.find(step);
    return found == course.reports.end() ? Metrics{} : found->second;
  };
  for (const auto step : steps)
    compare(fmt::format(" at step {}", step), at(before, step), at(now, step), out);
  compare("", before.metrics, now.metrics, out);
  return out;
}

nlohmann::json to_json(const std::vector<Difference>& list) {
  nlohmann::json json = nlohmann::json::array();
  for (const auto& d : list) json.push_back({{"what", d.what}, {"recorded", d.recorded}, {"now", d.now}});
  return json;
}

Table to_table(const std::vector<Difference>& list) {
  Table table{{{"differs"}, {"recorded", Align::right}, {"now", Align::right}}, {}};
  for (const auto& d : list) table.rows.push_back({d.what, d.recorded, d.now});
  return table;
}

int reproduce(const Options& options, Context& context) {
  const ChosenTrial chosen = choose_trial(context, options.trial);
  if (!ended(chosen.trial.state)) {
    throw ConflictError(fmt::format("trial {} is {}: there is nothing to compare with yet",
                                    chosen.trial.number, to_string(chosen.trial.state)));
  }
  if (chosen.spec.trial.command.empty()) throw UsageError("the study has no trial command to run");
  const auto code = fingerprint_differences(
      chosen.study.record.fingerprint, context.services.fingerprint(chosen.spec, chosen.study.place.folder));
  if (!options.json) {
    context.err << fmt::format("running trial {} again with seed {}: {}\n", chosen.trial.number, chosen.seed,
                               command_line(chosen.spec, chosen.trial, chosen.seed));
  }
  const Course before = recorded_course(chosen);
  const auto now = run_again(chosen, before);
  if (!now) return kInterrupted;
  const auto results = differences(before, *now);
  if (options.json) {
    context.out << dump({{"trial", chosen.trial.number},
                         {"reproduced", results.empty()},
                         {"end", now->end},
                         {"metrics", metrics_to_json(now->metrics)},
                         {"differences", to_json(results)},
                         {"code", code}})
                << "\n";
  } else {
    if (!code.empty()) context.out << "The program is not the one that the study recorded:\n";
    for (const auto& line : code) context.out << "  " << printable(line) << "\n";
    if (results.empty()) {
      context.out << fmt::format("trial {} gave the same again: every value to the last bit\n",
                                 chosen.trial.number);
    } else {
      context.out << fmt::format("trial {} came out otherwise:\n", chosen.trial.number)
                  << render_table(to_table(results), context.out_terminal);
    }
  }
  return results.empty() ? kOk : kNoResult;
}

}  // namespace

void add_reproduce(Program& program) {
  program.add<Options>("reproduce", "Run a trial again with its seed and say what differs", reproduce,
                       [](CommandBuilder& command, Options& o) {
                         o.trial.add_to(command);
                         command.flag("--json", o.json, "Print one JSON object");
                         command.footer(R"(The store is not changed. Exit status 1 where a value differs.

Example:
  krigon reproduce study.yaml best)");
                       });
}

}  // namespace krigon::cli
