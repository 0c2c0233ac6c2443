#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/sorted_values.hpp"

namespace krigon {

/// Asynchronous successive halving, the stopping variant with one bracket (Li et al. 2020, "A System
/// for Massively Parallel Hyperparameter Tuning", algorithm 2: a trial runs on unless its rung's
/// top 1/eta leaves it out, so that nobody waits for a rung to fill).
///
/// Rung k stands at step r_k = min_steps·reduction^k (rounded), below max_steps. A trial enters rung k
/// with its first report at r_k <= step < r_{k+1}; a report that jumps over whole rungs leaves no entry
/// in them (its value at a later step would be compared with values at an earlier one). With n entries,
/// itself included, a trial goes on when fewer than floor(n/eta) of them are strictly better, so that
/// ties go on; with n < eta it goes on. Judged once a rung, when it enters.
class AshaScheduler final : public Scheduler {
 public:
  explicit AshaScheduler(const EarlyStopping& options);
  std::string_view name() const override { return "asha"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  Judgement judge(std::int64_t trial) override;

 private:
  struct Progress {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::vector<std::pair<std::size_t, double>> entries;  ///< (rung, loss), rising in rung
    bool entered = false;                                 ///< by the last report
  };
  /// The highest rung at or below `step`; -1 where there is none or `step` reached max_steps.
  std::int64_t rung_at(std::int64_t step);

  EarlyStopping options_;
  std::vector<std::int64_t> rung_steps_;  ///< grown as far as steps were reported
  double next_rung_;                      ///< unrounded step of the rung after those
  std::vector<detail::SortedValues> rungs_;
  std::unordered_map<std::int64_t, Progress> progress_;
};

}  // namespace krigon
