#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/climb.hpp"
#include "scheduler/ladder.hpp"
#include "scheduler/rungs.hpp"

namespace krigon {

/// Asynchronous successive halving as it was published (Li et al. 2020, algorithms 1 and 2): a trial pauses
/// at each rung, and a free place first goes to the best trial that was not yet promoted, of the top 1/eta of
/// the highest rung that has one; only then does a new trial begin.
///
/// Rungs and brackets are those of AshaScheduler. A trial has an entry where it pauses: one whose report
/// jumps over rungs pauses at the last that it came to. From max_steps on nothing pauses. A promoted trial
/// goes on from its checkpoint, or begins anew and is then left alone up to the next rung.
class AshaPromoteScheduler final : public Scheduler {
 public:
  explicit AshaPromoteScheduler(const EarlyStopping& options);
  std::string_view name() const override { return "asha"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;
  std::optional<Continuation> continuation() override;

 private:
  detail::Landing& landing(std::int64_t trial, std::size_t rung);
  /// It was followed, or cannot be any more.
  void forget(std::int64_t trial);

  EarlyStopping options_;
  detail::Ladder ladder_;
  detail::Brackets brackets_;
  std::vector<std::vector<detail::Landing>> landings_;  ///< by bracket
  std::unordered_map<std::int64_t, detail::Climber> climbers_;
  std::optional<Continuation> said_;  ///< until it was followed
};

}  // namespace krigon
