#include "core/history.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

History::History(Space space, Objective objective, std::int64_t max_steps)
    : space_(std::move(space)), objective_(std::move(objective)), max_steps_(max_steps) {}

void History::apply(const Delta& delta) {
  std::vector<std::pair<std::int64_t, std::int64_t>> newly_ended;  // (sequence, number)
  for (const auto& trial : delta.trials) {
    const auto index = static_cast<std::size_t>(trial.number);
    if (index > trials_.size()) {
      throw StorageError(fmt::format("the store left out trials {} to {}", trials_.size(), trial.number - 1));
    }
    const bool was_ended = index < trials_.size() && krigon::ended(trials_[index].state);
    if (index == trials_.size()) {
      trials_.push_back(trial);
    } else {
      trials_[index] = trial;
    }
    if (!trial.key.empty()) keys_.insert(trial.key);
    if (krigon::ended(trial.state)) {
      pending_.erase(trial.number);
    } else {
      pending_.insert(trial.number);
    }
    if (krigon::ended(trial.state) && !was_ended && trial.state != TrialState::cancelled) {
      newly_ended.emplace_back(trial.ended_sequence, trial.number);
    }
  }
  std::sort(newly_ended.begin(), newly_ended.end());
  for (const auto& [sequence, number] : newly_ended) ended_.push_back(number);

  for (const auto& report : delta.reports) {
    if (report.metric != objective_.metric) continue;
    auto& curve = curves_[report.trial];
    if (report.attempt < curve.attempt) continue;
    if (report.attempt > curve.attempt) curve = {report.attempt, {}};
    if (curve.values.empty() || report.step > curve.values.back().step) {
      curve.values.push_back({report.step, report.value});
    }
  }
  // A new attempt that has not reported yet withdraws what the lost one said.
  for (const auto& trial : delta.trials) {
    const auto found = curves_.find(trial.number);
    if (found != curves_.end() && found->second.attempt < trial.attempts)
      found->second = {trial.attempts, {}};
  }
  head_ = delta.head;
  sequence_ = delta.sequence;
}

std::span<const StepValue> History::reports(std::int64_t trial) const {
  const auto found = curves_.find(trial);
  if (found == curves_.end()) return {};
  return found->second.values;
}

double History::value(std::int64_t trial) const {
  return this->trial(trial).metrics.at(objective_.metric);
}

}  // namespace krigon
