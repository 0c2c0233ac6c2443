#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>

#include "core/scheduler.hpp"
#include "problems.hpp"

namespace krigon::bench {

struct Setting {
  Problem problem = Problem::smooth;
  std::function<std::unique_ptr<Scheduler>()> scheduler;
  std::size_t workers = 1;
  std::uint64_t seed = 0;
  double target = 0;             ///< ends when the best completed trial is this good (0: never)
  std::int64_t budget = 0;       ///< ends after so many steps of all trials together (0: never)
  std::int64_t most_trials = 0;  ///< ends when so many have begun (0: never)
};

struct Result {
  bool reached = false;
  std::int64_t steps = 0;   ///< of all trials together: compute
  double time = 0;          ///< on the virtual clock
  std::int64_t trials = 0;  ///< begun
  double quality = 0;       ///< loss without noise of the trial that completed with the best reported loss
  double busy = 0;          ///< share of the places' time that was spent on steps
};

/// Counts what a simulated study comes to.
class Tally {
 public:
  explicit Tally(const Setting& setting) : setting_(setting) {}
  bool done() const {
    return result.reached || (setting_.budget > 0 && result.steps >= setting_.budget) ||
           (setting_.most_trials > 0 && result.trials >= setting_.most_trials);
  }
  void step_done(const Learner& learner) {
    ++result.steps;
    busy_ += learner.step_time();
  }
  /// `loss` is what it reported last.
  void completed(const Learner& learner, double loss) {
    if (!(loss < best_)) return;
    best_ = loss;
    result.quality = learner.loss();
    result.reached = result.quality <= setting_.target;
  }
  Result whole() {
    result.busy = busy_ / (result.time * static_cast<double>(setting_.workers));
    return result;
  }

  Result result;

 private:
  const Setting& setting_;
  double best_ = std::numeric_limits<double>::infinity(), busy_ = 0;
};

/// A study of random points on a virtual clock, through the scheduler as it is in production: what a worker
/// reports is observed and judged at once, a free place asks for a continuation first, a paused trial and a
/// clone go on from a checkpoint. A rule that has nothing more to do before the target is reached (a
/// population that has completed) begins another study, on the same clock.
Result simulate(const Setting& setting);

}  // namespace krigon::bench
