#include <fmt/format.h>

#include "core/machine_step.hpp"

namespace krigon::detail {
namespace {

/// Of a paused trial, which no one holds.
Transition stop_paused(const Rows& rows, TrialRecord trial, const std::string& reason, TimeUs now) {
  auto attempt = rows.attempt(trial.number, trial.attempts);
  Step step(rows, now);
  trial.outcome = Outcome::stopped;
  trial.reason = reason;
  step.set_state(trial, TrialState::stopped);
  return step.finish("stopped", std::move(trial), std::move(attempt));
}

}  // namespace

Result apply(const Rows& rows, const StopTrial& c, TimeUs now) {
  if (c.fence == 0) {
    auto paused = rows.trial(c.trial);
    if (paused && paused->state == TrialState::paused) {
      return stop_paused(rows, std::move(*paused), c.reason, now);
    }
  }
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (trial.state == TrialState::stopped) return unchanged(std::move(trial), std::move(attempt));
  if (ended(trial.state)) return already(trial, "stopped");
  Step step(rows, now);
  trial.outcome = attempt->outcome = Outcome::stopped;
  trial.reason = c.reason;
  attempt->ended_at = now;
  step.set_state(trial, TrialState::stopped);
  return step.finish("stopped", std::move(trial), std::move(attempt));
}

Result apply(const Rows& rows, const PauseTrial& c, TimeUs now) {
  // The same again: the attempt that it ended is known by its token.
  if (auto paused = rows.trial(c.trial); paused && paused->state == TrialState::paused) {
    auto attempt = rows.attempt(c.trial, paused->attempts);
    if (attempt && attempt->fence == c.fence) return unchanged(std::move(*paused), std::move(attempt));
  }
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (ended(trial.state)) return already(trial, "paused");
  Step step(rows, now);
  attempt->outcome = Outcome::paused;
  attempt->ended_at = now;
  step.set_state(trial, TrialState::paused);
  return step.finish("paused", std::move(trial), std::move(attempt), {{"reason", c.reason}});
}

Result apply(const Rows& rows, const ResumeTrial& c, TimeUs now) {
  auto trial = rows.trial(c.trial);
  if (!trial) return refuse(RefusalKind::not_found, fmt::format("there is no trial {}", c.trial));
  if (trial->state != TrialState::paused) {
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} is {}, not paused", c.trial, to_string(trial->state)));
  }
  auto attempt = rows.attempt(c.trial, trial->attempts);
  Step step(rows, now);
  step.change.front = true;
  step.set_state(*trial, TrialState::queued);
  return step.finish("resumed", std::move(*trial), std::move(attempt), c.basis);
}

Result apply(const Rows& rows, const FailAttempt& c, TimeUs now) {
  if (c.outcome == Outcome::none || c.outcome == Outcome::completed || c.outcome == Outcome::stopped ||
      c.outcome == Outcome::paused) {
    return refuse(RefusalKind::usage, fmt::format("\"{}\" is no failure", to_string(c.outcome)));
  }
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if ((trial.state == TrialState::failed || trial.state == TrialState::cancelled) &&
      trial.outcome == c.outcome) {
    return unchanged(std::move(trial), std::move(attempt));
  }
  if (ended(trial.state)) return already(trial, "told as failed");
  if (c.if_expired && !lease_over(attempt->lease_until, now, c.stood_until)) {
    return refuse(RefusalKind::conflict, fmt::format("the lease of trial {} still holds", c.trial));
  }
  Step step(rows, now);
  attempt->outcome = c.outcome;
  attempt->exit_code = c.exit_code;
  attempt->signal = c.signal;
  attempt->stderr_tail = c.stderr_tail;
  attempt->ended_at = now;
  nlohmann::json detail{{"outcome", to_string(c.outcome)}, {"reason", c.reason}};
  // Only what the trial itself is not to blame for is tried again.
  const bool blameless = c.outcome == Outcome::lost || c.outcome == Outcome::could_not_start;
  if (blameless && ++trial.losses <= rows.spec().trial.retries) {
    step.set_state(trial, TrialState::queued);
    return step.finish("requeued", std::move(trial), std::move(attempt), std::move(detail));
  }
  trial.outcome = c.outcome;
  trial.reason = c.reason;
  step.set_state(trial, c.outcome == Outcome::cancelled ? TrialState::cancelled : TrialState::failed);
  return step.finish(c.outcome == Outcome::cancelled ? "cancelled" : "failed", std::move(trial),
                     std::move(attempt), std::move(detail));
}

Result apply(const Rows& rows, const ReleaseTrial& c, TimeUs now) {
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (ended(trial.state)) return already(trial, "handed back");
  Step step(rows, now);
  attempt->outcome = Outcome::cancelled;
  attempt->ended_at = now;
  step.set_state(trial, TrialState::queued);
  return step.finish("released", std::move(trial), std::move(attempt), {{"reason", c.reason}});
}

Result apply(const Rows& rows, const CancelTrial& c, TimeUs now) {
  auto trial = rows.trial(c.trial);
  if (!trial) return refuse(RefusalKind::not_found, fmt::format("there is no trial {}", c.trial));
  auto attempt = trial->attempts > 0 ? rows.attempt(c.trial, trial->attempts) : std::nullopt;
  if (trial->state == TrialState::cancelled) return unchanged(std::move(*trial), std::move(attempt));
  if (ended(trial->state)) return already(*trial, "cancelled");
  if (c.if_queued && trial->state != TrialState::queued) {
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} is {}, not queued", c.trial, to_string(trial->state)));
  }
  Step step(rows, now);
  if (trial->state == TrialState::running) {
    attempt->outcome = Outcome::cancelled;
    attempt->ended_at = now;
  }
  trial->outcome = Outcome::cancelled;
  trial->reason = c.reason;
  step.set_state(*trial, TrialState::cancelled);
  return step.finish("cancelled", std::move(*trial), std::move(attempt), {{"reason", c.reason}});
}

}  // namespace krigon::detail
