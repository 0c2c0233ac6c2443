#include <cmath>

#include <fmt/format.h>

#include "core/machine_step.hpp"

namespace krigon::detail {
namespace {

bool same_metrics(const Metrics& a, const Metrics& b) {
  if (a.size() != b.size()) return false;
  for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j) {
    if (i->first != j->first || !same_bits(i->second, j->second)) return false;
  }
  return true;
}

std::optional<Refusal> check_metrics(const Metrics& metrics) {
  if (metrics.empty()) return refuse(RefusalKind::usage, "a report needs at least one metric");
  for (const auto& [name, value] : metrics) {
    if (name.empty() || name == "step") {
      return refuse(RefusalKind::usage, fmt::format("\"{}\" cannot be a metric's name", name));
    }
    if (!std::isfinite(value)) {
      return refuse(RefusalKind::usage,
                    fmt::format("metric \"{}\" is {}: only finite numbers can be recorded", name, value));
    }
  }
  return std::nullopt;
}

}  // namespace

Result apply(const Rows& rows, const ReportStep& c, TimeUs now) {
  if (c.step < 1)
    return refuse(RefusalKind::usage, fmt::format("step is {}: steps count completed units from 1", c.step));
  if (auto refusal = check_metrics(c.metrics)) return std::move(*refusal);
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  Step step(rows, now);
  for (const auto& [metric, value] : c.metrics) {
    if (const auto earlier = rows.report(c.trial, attempt->number, metric, c.step)) {
      if (same_bits(*earlier, value)) continue;
      return refuse(RefusalKind::conflict,
                    fmt::format("trial {} already reported {} = {} at step {}, now {}", c.trial, metric,
                                to_string(*earlier), c.step, to_string(value)));
    }
    const std::int64_t last = rows.last_step(c.trial, attempt->number, metric);
    if (c.step <= last) {
      return refuse(RefusalKind::conflict,
                    fmt::format("trial {} reported {} at step {} before: step {} comes too late", c.trial,
                                metric, last, c.step));
    }
    step.change.reports.push_back({c.trial, attempt->number, c.step, metric, value});
  }
  if (step.change.reports.empty()) return unchanged(std::move(trial), std::move(attempt));
  if (ended(trial.state)) return already(trial, "reported on");
  return step.finish("reported", std::move(trial), std::move(attempt), {{"step", c.step}});
}

Result apply(const Rows& rows, const CompleteTrial& c, TimeUs now) {
  if (auto refusal = check_metrics(c.metrics)) return std::move(*refusal);
  const auto& objective = rows.spec().objective();
  const auto told = c.metrics.find(objective.metric);
  if (told == c.metrics.end()) {
    std::string names;
    for (const auto& [name, value] : c.metrics) names += (names.empty() ? "" : ", ") + name;
    return refuse(RefusalKind::usage,
                  fmt::format("the objective \"{}\" is missing (found: {})", objective.metric, names));
  }
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (trial.state == TrialState::completed) {
    if (same_metrics(trial.metrics, c.metrics)) return unchanged(std::move(trial), std::move(attempt));
    const auto earlier = trial.metrics.find(objective.metric);
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} was already told {} = {}, now {}: the first stands", c.trial,
                              objective.metric, to_string(earlier->second), to_string(told->second)));
  }
  if (ended(trial.state)) return already(trial, "completed");
  Step step(rows, now);
  trial.metrics = c.metrics;
  trial.outcome = attempt->outcome = Outcome::completed;
  attempt->exit_code = c.exit_code;
  attempt->ended_at = now;
  step.set_state(trial, TrialState::completed);
  auto& head = step.head();
  const bool better = objective.direction == Direction::minimize ? told->second < head.best_value
                                                                 : told->second > head.best_value;
  if (head.best_trial < 0 || better) {
    head.best_trial = c.trial;
    head.best_value = told->second;
  }
  return step.finish("completed", std::move(trial), std::move(attempt));
}

Result apply(const Rows& rows, const RecordDecision& c, TimeUs now) {
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (ended(trial.state)) return already(trial, "decided on");
  Step step(rows, now);
  step.change.decision = DecisionRecord{c.trial, attempt->number, c.step, c.verdict, c.basis};
  return step.finish("decided", std::move(trial), std::move(attempt),
                     {{"step", c.step}, {"verdict", c.verdict}});
}

}  // namespace krigon::detail
