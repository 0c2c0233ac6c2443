#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "core/records.hpp"
#include "core/scheduler.hpp"

namespace krigon::testing {

struct Said {
  std::int64_t trial = 0, attempt = 1, step = 0;
  double loss = 0;
  bool completed = false;
};

/// A store and its workers, as far as a rule can see them: places that take up what continuation() says, and
/// otherwise begin new trials; with a checkpoint or without.
class SimulatedStudy {
 public:
  struct Trial {
    TrialState state = TrialState::running;
    std::int64_t attempt = 1, step = 0, parent = -1, replaces = -1, longest = 0;
    double floor = 0;
  };
  SimulatedStudy(Scheduler& scheduler, std::uint64_t seed, std::int64_t most, bool checkpoints)
      : scheduler_(scheduler),
        random_(seed, 0, Purpose::random_sampler),
        most_(most),
        checkpoints_(checkpoints) {}

  /// What happens next: false when nothing will.
  bool step() {
    while (running_.size() < kPlaces && begin()) {
    }
    if (running_.empty()) return false;
    const auto at = random_.below(running_.size());
    const std::int64_t number = running_[at];
    auto& trial = trials[number];
    // One in fifty is lost and tried again, fails, or is taken away.
    const double luck = random_.uniform();
    if (luck < 0.01 && trial.step > 0) {
      ++trial.attempt;
      trial.step = checkpoints_ ? trial.step / 2 : 0;
    } else if (luck < 0.02) {
      end(at, luck < 0.015 ? TrialState::failed : TrialState::cancelled);
      return true;
    }
    ++trial.step;
    ++steps;
    trial.longest = std::max(trial.longest, trial.step);
    reports.push_back({number, trial.attempt, trial.step,
                       trial.floor + 1.0 / static_cast<double>(trial.step) + 1e-4 * random_.uniform(),
                       false});
    scheduler_.observe(number, trial.attempt, trial.step, reports.back().loss);
    const auto judgement = scheduler_.judge(number);
    if (judgement.verdict != Verdict::go_on) {
      end(at, judgement.verdict == Verdict::stop ? TrialState::stopped : TrialState::paused);
    } else if (trial.step == 27) {
      reports.push_back({number, trial.attempt, trial.step, reports.back().loss, true});
      scheduler_.observe_completed(number, reports.back().loss);
      end(at, TrialState::completed);
    }
    return true;
  }

  std::map<std::int64_t, Trial> trials;
  std::vector<Said> reports;
  std::int64_t resumed = 0, cloned = 0, steps = 0;

 private:
  static constexpr std::size_t kPlaces = 8;
  void state(std::int64_t number) {
    const auto& trial = trials.at(number);
    scheduler_.observe_state(number, trial.state, trial.parent, trial.replaces);
  }
  void end(std::size_t at, TrialState how) {
    const std::int64_t number = running_[at];
    trials[number].state = how;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
    state(number);
  }
  bool begin() {
    const auto next = static_cast<std::int64_t>(trials.size());
    const auto said = scheduler_.continuation();
    if (said && said->kind == Continuation::Kind::resume) {
      const auto again = scheduler_.continuation();
      EXPECT_EQ(again ? again->trial : -1, said->trial) << "repeats itself until it was followed";
      auto& trial = trials.at(said->trial);
      EXPECT_EQ(trial.state, TrialState::paused) << "what is not paused cannot be taken up: " << said->trial;
      if (trial.state != TrialState::paused) return false;
      trial.state = TrialState::running;
      ++trial.attempt;
      if (!checkpoints_) trial.step = 0;
      ++resumed;
      running_.push_back(said->trial);
      state(said->trial);
      return true;
    }
    if (said) {
      EXPECT_FALSE(ended(trials.at(said->trial).state)) << "who has ended is no parent";
      EXPECT_EQ(trials.at(said->replaces).state, TrialState::stopped);
      for (const auto& [number, trial] : trials) EXPECT_NE(trial.replaces, said->replaces) << number;
      const auto& parent = trials.at(said->trial);
      trials[next] = {TrialState::running, 1, checkpoints_ ? parent.step : 0, said->trial, said->replaces, 0,
                      parent.floor * 0.9};
      ++cloned;
    } else {
      if (next >= most_ || !scheduler_.takes_new(next)) return false;
      trials[next] = {TrialState::running, 1, 0, -1, -1, 0, random_.uniform()};
    }
    running_.push_back(next);
    state(next);
    return true;
  }

  Scheduler& scheduler_;
  Random random_;
  std::int64_t most_;
  bool checkpoints_;
  std::vector<std::int64_t> running_;
};

}  // namespace krigon::testing
