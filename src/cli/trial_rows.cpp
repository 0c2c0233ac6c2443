#include "cli/trial_rows.hpp"

#include <algorithm>
#include <utility>

namespace krigon::cli {

const Metrics& TrialRow::latest() const {
  if (!trial.metrics.empty() || reports.empty()) return trial.metrics;
  return reports.rbegin()->second;
}

std::vector<TrialRow> load_trials(Storage& storage, std::int64_t study) {
  const Delta delta = storage.changes_since(study, 0);
  std::vector<TrialRow> rows;
  rows.reserve(delta.trials.size());
  for (const auto& trial : delta.trials) rows.push_back({trial, {}});
  for (const auto& report : delta.reports) {
    auto& row = rows.at(static_cast<std::size_t>(report.trial));
    if (report.attempt == row.trial.attempts) row.reports[report.step][report.metric] = report.value;
  }
  return rows;
}

void sort_by_objective(std::vector<TrialRow>& rows, const Objective& objective) {
  const auto rank = [&](const TrialRow& row) {
    const auto value = row.trial.metrics.find(objective.metric);
    if (row.trial.state != TrialState::completed || value == row.trial.metrics.end())
      return std::pair{1, 0.0};
    return std::pair{0, objective.direction == Direction::minimize ? value->second : -value->second};
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

}  // namespace krigon::cli
