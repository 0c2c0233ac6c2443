#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/ladder.hpp"
#include "scheduler/rungs.hpp"

namespace krigon {

/// Asynchronous successive halving, the stopping variant (Li et al. 2020, "A System for Massively Parallel
/// Hyperparameter Tuning", section 3.2: a trial runs on unless its rung's top 1/eta leaves it out, so that
/// nobody waits for a rung to fill).
///
/// Rung k stands at step r_k = min_steps * reduction^k (rounded), below max_steps. A trial enters rung k
/// with its first report at r_k <= step < r_{k+1}; a report that jumps over whole rungs leaves no entry
/// in them (its value at a later step would be compared with values at an earlier one). With n entries,
/// itself included, a trial goes on when fewer than floor(n/eta) of them are strictly better, so that
/// ties go on; with n < eta it goes on. Judged once a rung, when it enters.
///
/// With several brackets (see Brackets) a trial of bracket s leaves out the first s rungs, and is compared
/// with trials of its bracket alone.
class AshaScheduler final : public Scheduler {
 public:
  explicit AshaScheduler(const EarlyStopping& options);
  std::string_view name() const override { return "asha"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  struct Entry {
    std::size_t rung = 0;
    std::int64_t step = 0;
    double loss = 0;
  };
  struct Progress {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::vector<Entry> entries;  ///< rising in rung
    bool entered = false;        ///< by the last report
  };

  EarlyStopping options_;
  detail::Ladder ladder_;
  detail::Brackets brackets_;
  std::vector<std::vector<detail::Rung>> rungs_;  ///< by bracket
  std::unordered_map<std::int64_t, Progress> progress_;
};

}  // namespace krigon
