#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/history.hpp"
#include "core/sampler.hpp"

namespace krigon::testing {

/// A study's history made by hand: what a store would have delivered, without a store.
class Told {
 public:
  explicit Told(Space space, Objective objective = {"value", Direction::minimize}, std::int64_t max_steps = 0)
      : history_(std::move(space), std::move(objective), max_steps) {}

  const History& history() const { return history_; }
  std::int64_t next() const { return static_cast<std::int64_t>(history_.trials().size()); }

  /// A running trial; its number.
  std::int64_t add(Parameters parameters, Proposal proposal = {}) {
    TrialRecord trial;
    trial.number = next();
    trial.state = TrialState::running;
    trial.parameters = std::move(parameters);
    trial.proposal = std::move(proposal);
    trial.attempts = 1;
    put(trial);
    return trial.number;
  }
  /// Asks and leaves the trial running; its number.
  std::int64_t ask(Sampler& sampler) {
    auto suggestion = sampler.propose(history_, next());
    suggestion.proposal.saw_sequence = history_.sequence();
    suggestion.proposal.pending = history_.pending();
    return add(std::move(suggestion.parameters), std::move(suggestion.proposal));
  }
  void report(std::int64_t number, std::int64_t step, double value) {
    Delta delta = next_delta();
    delta.reports.push_back({number, 1, step, history_.objective().metric, value});
    history_.apply(delta);
  }
  void complete(std::int64_t number, double value) {
    TrialRecord trial = history_.trial(number);
    trial.metrics[history_.objective().metric] = value;
    end(trial, TrialState::completed, Outcome::completed);
  }
  void stop(std::int64_t number) { end(history_.trial(number), TrialState::stopped, Outcome::stopped); }
  void fail(std::int64_t number) { end(history_.trial(number), TrialState::failed, Outcome::failed); }
  void cancel(std::int64_t number) { end(history_.trial(number), TrialState::cancelled, Outcome::cancelled); }
  std::int64_t tell(Parameters parameters, double value) {
    const auto number = add(std::move(parameters));
    complete(number, value);
    return number;
  }

 private:
  Delta next_delta() const {
    Delta delta;
    delta.sequence = history_.sequence() + 1;
    delta.head = history_.head();
    delta.head.sequence = delta.sequence;
    return delta;
  }
  void put(const TrialRecord& trial) {
    Delta delta = next_delta();
    delta.head.next_trial = std::max(delta.head.next_trial, trial.number + 1);
    delta.head.cancelled += trial.state == TrialState::cancelled ? 1 : 0;
    delta.trials.push_back(trial);
    history_.apply(delta);
  }
  void end(TrialRecord trial, TrialState state, Outcome outcome) {
    trial.state = state;
    trial.outcome = outcome;
    trial.ended_sequence = history_.sequence() + 1;
    put(trial);
  }

  History history_;
};

}  // namespace krigon::testing
