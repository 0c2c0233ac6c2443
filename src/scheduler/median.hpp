#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/sorted_values.hpp"

namespace krigon {

/// The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2): a trial stops when
/// its best loss so far is strictly worse than the median, over the other trials that came as far, of
/// their running averages at the same step. It needs `startup` completed trials, and as many others
/// at that step (at least one).
///
/// Others are all trials that reached the step, those stopped or running too: completed ones alone are
/// survivors, and a median of survivors would stop half of any further survivors.
///
/// Averages are kept at milestones: every step below 64, above it 32 of them for each doubling. A trial
/// is judged with its first report in a milestone, and a trial that skips milestones counts in them with
/// its average so far. So a step of 10^15 costs no more than some thousand entries.
class MedianScheduler final : public Scheduler {
 public:
  explicit MedianScheduler(const EarlyStopping& options);
  std::string_view name() const override { return "median"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  Judgement judge(std::int64_t trial) override;

 private:
  struct Progress {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::int64_t reports = 0;
    double average = 0;
    double best = 0;
    std::vector<std::pair<std::int64_t, double>> entries;  ///< (milestone, average), rising
    bool entered = false;                                  ///< by the last report
  };
  void enter(Progress& progress, std::int64_t milestone);

  EarlyStopping options_;
  std::unordered_map<std::int64_t, detail::SortedValues> averages_;  ///< by milestone
  std::unordered_map<std::int64_t, Progress> progress_;
  std::unordered_set<std::int64_t> completed_;
};

}  // namespace krigon
