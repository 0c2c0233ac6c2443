#include "scheduler/patience.hpp"

#include <cmath>

#include <fmt/format.h>

namespace krigon {

void PatienceScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  if (!std::isfinite(loss)) return;
  auto& curve = curves_[trial];
  if (!curve.hear(attempt, step)) return;
  Best best = curve.state();
  if (best.step == 0 || loss < best.loss - options_.delta) best = {loss, step};
  curve.add(step, best);
}

void PatienceScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  const auto found = curves_.find(trial);
  if (ended(state) && found != curves_.end()) found->second.settle();
}

Judgement PatienceScheduler::judge(std::int64_t trial) {
  const auto found = curves_.find(trial);
  if (found == curves_.end()) return {};
  const std::int64_t step = found->second.step();
  const Best& best = found->second.state();
  if (best.step == 0 || step < options_.min_steps || step - best.step < options_.patience) return {};
  if (options_.max_steps > 0 && step >= options_.max_steps) return {};
  return {Verdict::stop,
          {{"rule", "patience"}, {"step", step}, {"best", best.loss}, {"best_step", best.step}},
          fmt::format("at step {} it has not improved for {} steps", step, step - best.step)};
}

}  // namespace krigon
