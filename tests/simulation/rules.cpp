#include "simulation/rules.hpp"

#include "simulation/draw.hpp"

namespace krigon::simulation {

double x_of(std::uint64_t seed, std::int64_t number) {
  return Draw(seed, static_cast<std::uint64_t>(number), Topic::point).uniform();
}

Suggestion SayingSampler::propose(const History& history, std::int64_t number) {
  Suggestion suggestion;
  suggestion.exhausted = points_ > 0 && number >= points_;
  if (suggestion.exhausted) return suggestion;
  suggestion.parameters = {{"x", x_of(seed_, number)},
                           {"ended", static_cast<std::int64_t>(history.ended().size())},
                           {"pending", static_cast<std::int64_t>(history.pending().size())}};
  suggestion.proposal.sampler = name();
  fitting_();
  return suggestion;
}

void MoodyScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double) {
  last_[trial] = {attempt, step};
}

void MoodyScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  if (state == TrialState::paused) {
    paused_.insert(trial);
  } else {
    paused_.erase(trial);
  }
}

Judgement MoodyScheduler::judge(std::int64_t trial) {
  const auto [attempt, step] = last_[trial];
  const double mood = Draw(seed_, index_of(trial, attempt, step), Topic::verdict).uniform();
  if (mood < 0.04) return {Verdict::stop, {{"mood", mood}}, "no good"};
  if (mood < 0.09) return {Verdict::pause, nullptr, "not now"};
  return {};
}

std::optional<Continuation> MoodyScheduler::continuation() {
  for (const std::int64_t trial : paused_) {
    if (!Draw(seed_, static_cast<std::uint64_t>(trial), Topic::resume).chance(0.7)) continue;
    Continuation next;
    next.trial = trial;
    return next;
  }
  return std::nullopt;
}

}  // namespace krigon::simulation
