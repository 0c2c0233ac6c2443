#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/milestones.hpp"
#include "scheduler/sorted_values.hpp"

namespace krigon {

/// The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2), for any share of the
/// trials: one stops when its best loss so far is strictly worse than the given percentile, over the other
/// trials that came as far, of their running averages at the same step. It needs `startup` completed trials,
/// and as many others at that step (at least one). Percentiles interpolate between order statistics (Hyndman
/// and Fan 1996, type 7), so that the fiftieth is the median.
///
/// Others are all trials that reached the step, those stopped or running too: completed ones alone are
/// survivors, and a median of survivors would stop half of any further survivors.
///
/// Averages are kept at milestones: every step below 64, above it 32 of them for each doubling. A trial
/// is judged with its first report in a milestone, and a trial that skips milestones counts in them with
/// its average so far. So a step of 10^15 costs no more than some thousand entries. A new attempt goes on
/// with the average as it stood at the last milestone before its own first step.
class PercentileScheduler final : public Scheduler {
 public:
  /// The best `percent` of 100 go on. `name`: of the rule, and of the percentile in the judgement's basis.
  PercentileScheduler(const EarlyStopping& options, double percent, std::string name);
  std::string_view name() const override { return name_; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  using Marks = detail::Milestones<6>;
  struct Sofar {
    std::int64_t reports = 0;
    double average = 0;
    double best = 0;
  };
  struct Entry {
    std::int64_t milestone = 0;
    std::int64_t step = 0;  ///< with which it was entered
    Sofar sofar;
  };
  struct Progress {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    Sofar sofar;
    std::vector<Entry> entries;  ///< rising; when the trial has ended only the last
    bool entered = false;        ///< by the last report
  };
  void enter(Progress& progress, std::int64_t milestone, std::int64_t step);

  EarlyStopping options_;
  double share_;
  std::string name_;
  std::unordered_map<std::int64_t, detail::SortedValues> averages_;  ///< by milestone
  std::unordered_map<std::int64_t, Progress> progress_;
  std::unordered_set<std::int64_t> completed_;
};

}  // namespace krigon
