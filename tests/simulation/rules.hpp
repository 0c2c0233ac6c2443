#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "core/sampler.hpp"
#include "core/scheduler.hpp"

namespace krigon::simulation {

/// Points that say what they rest on: x is a function of seed and number, "ended" and "pending" are how many
/// trials had ended and how many were pending. So whoever knows the history can tell whether a proposal is a
/// function of the events that it says it saw.
class SayingSampler final : public Sampler {
 public:
  /// `fitting` is called in the middle of a proposal.
  SayingSampler(std::uint64_t seed, std::int64_t points, std::function<void()> fitting)
      : seed_(seed), points_(points), fitting_(std::move(fitting)) {}
  std::string_view name() const override { return "saying"; }
  Suggestion propose(const History& history, std::int64_t number) override;
  std::string describe(const Space&) const override { return "says what it rests on"; }

 private:
  std::uint64_t seed_;
  std::int64_t points_;  ///< 0: without end
  std::function<void()> fitting_;
};

double x_of(std::uint64_t seed, std::int64_t number);

/// Stops some, pauses some, and takes up again most of those that it paused, by the seed.
class MoodyScheduler final : public Scheduler {
 public:
  explicit MoodyScheduler(std::uint64_t seed) : seed_(seed) {}
  std::string_view name() const override { return "moody"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t, double) override {}
  void observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) override;
  Judgement judge(std::int64_t trial) override;
  std::optional<Continuation> continuation() override;

 private:
  std::uint64_t seed_;
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> last_;  ///< (attempt, step) by trial
  std::set<std::int64_t> paused_;
};

}  // namespace krigon::simulation
