#include "scheduler/envelope.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "scheduler/left_alone.hpp"

namespace krigon {
namespace {

constexpr double kReach = 4;  // an average reaches back about one in so many steps

}  // namespace

EnvelopeScheduler::EnvelopeScheduler(const EarlyStopping& options) : options_(options) {}

void EnvelopeScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& curve = curves_[trial];
  if (!std::isfinite(loss) || !curve.hear(attempt, step)) return;
  const auto since = static_cast<double>(step - curve.step());
  const double weight = std::min(1.0, kReach * since / static_cast<double>(step));
  const double average = curve.step() == 0 ? loss : (1 - weight) * curve.state().average + weight * loss;
  curve.add(step, {average, Times::at(step) > Times::at(curve.step())});
}

void EnvelopeScheduler::observe_completed(std::int64_t trial, double loss) {
  const auto found = curves_.find(trial);
  if (std::isfinite(loss)) ++completed_;
  if (found == curves_.end()) return;
  if (std::isfinite(loss)) {
    const auto place = std::upper_bound(best_.begin(), best_.end(), loss,
                                        [](double value, const Best& other) { return value < other.loss; });
    Best best{loss, {}};
    for (const auto& mark : found->second.marks()) best.averages.emplace_back(mark.step, mark.state.average);
    best_.insert(place, std::move(best));
    if (static_cast<std::int64_t>(best_.size()) > std::max<std::int64_t>(1, options_.startup))
      best_.pop_back();
  }
  curves_.erase(found);
}

void EnvelopeScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  // A completed one is dealt with when its loss is known.
  if (ended(state) && state != TrialState::completed) curves_.erase(trial);
}

double EnvelopeScheduler::threshold(std::int64_t step) const {
  double worst = -std::numeric_limits<double>::infinity();
  for (const auto& best : best_) {
    const auto after =
        std::upper_bound(best.averages.begin(), best.averages.end(), step,
                         [](std::int64_t value, const auto& other) { return value < other.first; });
    if (after == best.averages.begin()) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::prev(after)->second);
  }
  return worst;
}

Judgement EnvelopeScheduler::judge(std::int64_t trial) {
  const auto found = curves_.find(trial);
  if (found == curves_.end() || best_.empty() || completed_ < options_.startup) return {};
  if (!found->second.state().judged) return {};
  const std::int64_t step = found->second.step();
  if (step < options_.min_steps || step >= options_.max_steps) return {};
  if (detail::left_alone(trial, step, options_.max_steps)) return {};
  const double limit = threshold(step), average = found->second.state().average;
  if (!std::isfinite(limit)) return {};
  Judgement judgement;
  judgement.basis = {{"rule", "envelope"},
                     {"step", step},
                     {"average", average},
                     {"threshold", limit},
                     {"best", best_.size()}};
  if (average > limit) {
    judgement.verdict = Verdict::stop;
    judgement.reason =
        best_.size() == 1
            ? fmt::format("at step {} it is worse than the best completed trial was", step)
            : fmt::format("at step {} it is worse than each of the best {} completed trials was", step,
                          best_.size());
  }
  return judgement;
}

}  // namespace krigon
