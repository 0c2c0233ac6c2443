#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/climb.hpp"
#include "scheduler/ladder.hpp"

namespace krigon {

/// Hyperband (Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
/// algorithm 1). With R = max_steps, eta = reduction and s_max = floor(log_eta(R / min_steps)), bracket
/// s = s_max ... 0 begins with n = ceil((s_max + 1) / (s + 1) * eta^s) trials that pause at R eta^-s steps;
/// floor(n eta^-i) of them come to rung i, R eta^(i-s).
///
/// Trials fill the brackets in the order of their numbers, and after the last bracket it begins with the
/// first one again; so a trial's bracket is a function of its number. A rung is decided when all who are to
/// come have come or have ended on their way; whoever has ended leaves its seat to the next best. Nobody
/// waits for that: a free place goes to the oldest bracket in which a trial can be taken up, and otherwise to
/// a new trial, of the bracket that is being filled or the next. A report that jumps over rungs counts in the
/// first of them, for which the others wait.
///
/// `bohb` is the same rule (Falkner et al. 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at
/// Scale"): its model is the sampler's, which learns from reports at rungs with any rule.
class HyperbandScheduler final : public Scheduler {
 public:
  /// `name`: hyperband or bohb. Precondition: max_steps >= min_steps >= 1.
  HyperbandScheduler(const EarlyStopping& options, std::string name);
  std::string_view name() const override { return name_; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;
  std::optional<Continuation> continuation() override;

 private:
  /// What a trial's number says.
  struct Place {
    std::int64_t bracket = 0;  ///< counted over all rounds
    std::size_t s = 0;
  };
  /// A bracket in use: rung i of it is rung (s_max - s) + i of the ladder.
  struct Bracket {
    std::size_t s = 0;
    std::vector<detail::Landing> landings;  ///< s of them: the last part of the way has no rung at its end
  };
  Place place_of(std::int64_t trial) const;
  Bracket& bracket_at(const Place& place);
  /// n of the bracket, and how many of them come to rung i.
  std::int64_t trials_at(std::size_t s, std::size_t rung) const;
  std::int64_t step_at(std::size_t s, std::size_t rung) { return ladder_[s_max_ - s + rung]; }
  /// The rung of a bracket that has somebody to take up, the highest; nullopt where there is none.
  std::optional<std::size_t> ready_rung(const Bracket& bracket) const;
  void note_ready(const Place& place);
  /// It was followed, or cannot be any more.
  void forget(std::int64_t trial);

  std::string name_;
  EarlyStopping options_;
  std::size_t s_max_ = 0;
  std::vector<std::int64_t> ladder_;  ///< R eta^-s_max ... R eta^-1
  std::vector<std::int64_t>
      first_of_;  ///< first number of bracket s_max, s_max - 1, ... in a round; its size last
  std::unordered_map<std::int64_t, Bracket> brackets_;
  std::set<std::int64_t> ready_;  ///< brackets in which somebody can be taken up
  std::unordered_map<std::int64_t, detail::Climber> climbers_;
  std::optional<Continuation> said_;  ///< until it was followed
};

}  // namespace krigon
