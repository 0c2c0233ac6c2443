#include "core/history.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

History::History(Space space, Objective objective, std::int64_t max_steps, Window window)
    : space_(std::move(space)), objective_(std::move(objective)), max_steps_(max_steps), window_(window) {}

std::int64_t History::first_of(std::int64_t trials) const {
  // In strides of its size: a window that moved with every trial would have to be looked up for each.
  return trials <= 3 * window_.size ? 0 : (trials / window_.size - 1) * window_.size;
}

void History::reset(const Delta& delta) {
  trials_.clear();
  older_.clear();
  older_best_.clear();
  ended_.clear();
  pending_.clear();
  keys_.clear();
  curves_.clear();
  first_ = first_of(delta.head.next_trial);
  apply(delta);
}

const TrialRecord& History::trial(std::int64_t number) const {
  return number >= first_ ? trials_.at(static_cast<std::size_t>(number - first_)) : older_.at(number);
}

bool History::keep(const TrialRecord& trial) {
  if (trial.number >= first_) {
    const auto index = static_cast<std::size_t>(trial.number - first_);
    if (index > trials_.size()) {
      throw StorageError(fmt::format("the store left out trials {} to {}",
                                     first_ + static_cast<std::int64_t>(trials_.size()), trial.number - 1));
    }
    if (index == trials_.size()) {
      trials_.push_back(trial);
    } else {
      trials_[index] = trial;
    }
    return true;
  }
  if (krigon::ended(trial.state)) {
    if (trial.state != TrialState::completed) return false;
    const double value = loss(trial.metrics.at(objective_.metric));
    older_best_.emplace(value, trial.number);
    if (static_cast<std::int64_t>(older_best_.size()) > window_.older_best) {
      const std::int64_t worst = std::prev(older_best_.end())->second;
      older_best_.erase(std::prev(older_best_.end()));
      if (worst == trial.number) return false;
      forget(worst);
    }
  }
  older_.insert_or_assign(trial.number, trial);
  return true;
}

void History::forget(std::int64_t number) {
  older_.erase(number);
  curves_.erase(number);
  const auto found = std::find(ended_.begin(), ended_.end(), number);
  if (found != ended_.end()) ended_.erase(found);
}

void History::take_report(const ReportRecord& report) {
  if (report.metric != objective_.metric) return;
  if (report.trial < first_ && !older_.contains(report.trial)) return;
  auto& [attempt, values] = curves_[report.trial];
  if (report.attempt < attempt) return;
  if (report.attempt > attempt) {
    // One that began anew withdraws everything, one that went on from a checkpoint what came after that.
    attempt = report.attempt;
    std::erase_if(values, [&](const StepValue& earlier) { return earlier.step >= report.step; });
  }
  if (values.empty() || report.step > values.back().step) values.push_back({report.step, report.value});
}

void History::apply(const Delta& delta) {
  std::vector<std::pair<std::int64_t, std::int64_t>> newly_ended;  // (sequence, number)
  for (const auto& trial : delta.trials) {
    const bool held = trial.number >= first_
                          ? trial.number - first_ < static_cast<std::int64_t>(trials_.size())
                          : older_.contains(trial.number);
    const bool was_ended = held && krigon::ended(this->trial(trial.number).state);
    if (was_ended) continue;  // nothing changes any more
    if (krigon::ended(trial.state)) {
      pending_.erase(trial.number);
    } else {
      pending_.insert(trial.number);
    }
    if (!keep(trial)) {
      forget(trial.number);
      continue;
    }
    if (!trial.key.empty()) keys_.insert(trial.key);
    if (krigon::ended(trial.state) && trial.state != TrialState::cancelled) {
      newly_ended.emplace_back(trial.ended_sequence, trial.number);
    }
  }
  std::sort(newly_ended.begin(), newly_ended.end());
  for (const auto& [sequence, number] : newly_ended) {
    // An older one may have been driven out by a better one of the same delta.
    if (number >= first_ || older_.contains(number)) ended_.push_back(number);
  }
  for (const auto& report : delta.reports) take_report(report);
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
