#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/milestones.hpp"

namespace krigon {

/// Stops a trial that is worse than each of the best completed trials was at that step: their curves'
/// envelope is the threshold. Where early losses say nothing about the end, good trials looked bad early too,
/// and the envelope lets nearly all pass; so it finds out by itself from which step on curves can be told
/// apart. (Thresholds that let pass whatever became good: direct backward pruning of cascades, Zhang and
/// Viola 2007, "Multiple-Instance Pruning For Learning Efficient Cascade Detectors", section 3.)
///
/// Nobody is stopped before `startup` trials have completed, and the envelope is that of the best `startup`
/// of all that have. One trial in 20 (by its number) is stopped only from max_steps / 3 on: what begins as
/// none of the best did, and ends better, would be missed for ever otherwise.
///
/// Compared are exponential averages, each report weighted by 4 times its share of the steps so far, so that
/// they reach back about a quarter of the way: thresholds are extremes, and one report's noise would often
/// lie beyond. A trial is judged at every step below 16, and eight times in each doubling after.
class EnvelopeScheduler final : public Scheduler {
 public:
  explicit EnvelopeScheduler(const EarlyStopping& options);
  std::string_view name() const override { return "envelope"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  /// When a trial is judged: with its first report at or after each.
  using Times = detail::Milestones<4>;
  struct State {
    double average = 0;
    bool judged = false;  ///< with the last report
  };
  using Curve = detail::Rewindable<State>;
  struct Best {
    double loss = 0;
    std::vector<std::pair<std::int64_t, double>> averages;  ///< (step, average), rising in step
  };
  /// The worst of what the best were at that step, or last before it; infinite where one said nothing so far.
  double threshold(std::int64_t step) const;

  EarlyStopping options_;
  std::unordered_map<std::int64_t, Curve> curves_;
  std::vector<Best> best_;  ///< best first
  std::int64_t completed_ = 0;
};

}  // namespace krigon
