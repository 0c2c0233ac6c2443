#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/scheduler.hpp"
#include "scheduler/rungs.hpp"

namespace krigon::detail {

/// A trial that pauses at rungs and is taken up again.
struct Climber {
  std::int64_t attempt = 0;
  std::int64_t step = 0;
  std::size_t goal = 0;  ///< the rung at which it is to pause next
  bool waiting = false;  ///< it reached that rung (or a later one, then `goal` is that) and is to pause
  double loss = 0;       ///< its entry there
  TrialState state = TrialState::queued;

  std::pair<double, std::int64_t> key(std::int64_t trial) const { return {loss, trial}; }
};

/// Takes a report in as far as all pausing rules are alike. True: `climber` is on its way to its goal, and
/// the report is news.
///
/// A new attempt of a trial that waits is its promotion: there is no other reason to begin one, except where
/// a process was lost in the instant between its report and its pause, which then runs one rung too far. What
/// it was promoted for stays in its rung, whatever it reports there when it had to begin anew: the decision
/// rested on it, and the seat is taken. Nothing else is left to withdraw, as a trial has no entry on its way.
inline bool climbs(Climber& climber, std::int64_t attempt, std::int64_t step, double loss) {
  if (attempt < climber.attempt || !std::isfinite(loss) || step < 1 || ended(climber.state)) return false;
  if (attempt > climber.attempt) {
    climber.attempt = attempt;
    climber.step = 0;
    climber.state = TrialState::running;  // whether or not anyone saw that
    if (climber.waiting) ++climber.goal;
    climber.waiting = false;
  }
  if (step <= climber.step) return false;
  climber.step = step;
  return !climber.waiting;
}

/// A rung, and those of its trials that could be taken up.
struct Landing {
  Rung entries;
  std::set<std::pair<double, std::int64_t>> paused;
  std::size_t gone = 0;  ///< trials that ended on their way here, or while they waited here

  /// The best that could be taken up, where it is among the best `keep` of all; nullptr otherwise. Whoever
  /// was taken up before counts among those.
  const std::pair<double, std::int64_t>* best_of(std::size_t keep) const {
    if (paused.empty() || entries.below(*paused.begin()) >= keep) return nullptr;
    return &*paused.begin();
  }
};

}  // namespace krigon::detail
