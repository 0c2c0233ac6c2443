#include "scheduler/threshold.hpp"

#include <cmath>

#include <fmt/format.h>

namespace krigon {

// Only the last report is looked at, so that a new attempt has nothing to withdraw.
void ThresholdScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& last = last_[trial];
  if (attempt < last.attempt || !std::isfinite(loss) || step < 1) return;
  if (attempt == last.attempt && step <= last.step) return;
  last = {attempt, step, loss};
}

Judgement ThresholdScheduler::judge(std::int64_t trial) {
  const auto found = last_.find(trial);
  if (found == last_.end()) return {};
  const auto& [attempt, step, loss] = found->second;
  if (step < options_.min_steps || (options_.max_steps > 0 && step >= options_.max_steps)) return {};
  if (!(loss > bound_)) return {};
  return {Verdict::stop,
          {{"rule", "threshold"}, {"step", step}, {"loss", loss}, {"bound", bound_}},
          fmt::format("at step {} it is worse than {:g}, the bound", step, *options_.bound)};
}

}  // namespace krigon
