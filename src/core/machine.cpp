#include "core/machine.hpp"

#include <bit>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using Result = std::variant<Transition, Refusal>;

Refusal refuse(RefusalKind kind, std::string message) {
  return {kind, std::move(message)};
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool same_metrics(const Metrics& a, const Metrics& b) {
  if (a.size() != b.size()) return false;
  for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j) {
    if (i->first != j->first || !same_bits(i->second, j->second)) return false;
  }
  return true;
}

std::int64_t& count_of(StudyHead& head, TrialState state) {
  switch (state) {
    case TrialState::queued:
      return head.queued;
    case TrialState::running:
      return head.running;
    case TrialState::paused:
      return head.paused;
    case TrialState::completed:
      return head.completed;
    case TrialState::stopped:
      return head.stopped;
    case TrialState::failed:
      return head.failed;
    case TrialState::cancelled:
      break;
  }
  return head.cancelled;
}

/// Gathers one transition's changes.
class Step {
 public:
  Step(const Rows& rows, TimeUs now) : now_(now), head_(rows.head()) {}

  StudyHead& head() { return head_; }

  void set_state(TrialRecord& trial, TrialState state) {
    --count_of(head_, trial.state);
    ++count_of(head_, state);
    trial.state = state;
    if (ended(state)) {
      trial.ended_at = now_;
      trial.ended_sequence = head_.sequence + 1;
    }
  }

  AttemptRecord begin_attempt(TrialRecord& trial, const std::string& worker, const std::string& host,
                              TimeUs lease) {
    AttemptRecord attempt;
    attempt.trial = trial.number;
    attempt.number = ++trial.attempts;
    attempt.worker = worker;
    attempt.host = host;
    attempt.fence = ++head_.fence;
    attempt.lease_until = lease == 0 ? 0 : now_ + lease;
    attempt.started = now_;
    if (trial.started == 0) trial.started = now_;
    return attempt;
  }

  /// Closes the transition with its one event.
  Transition finish(std::string kind, TrialRecord trial, std::optional<AttemptRecord> attempt,
                    nlohmann::json detail = nullptr) {
    EventRecord event;
    event.sequence = ++head_.sequence;
    event.time = now_;
    event.kind = std::move(kind);
    event.trial = trial.number;
    event.attempt = attempt ? attempt->number : 0;
    event.detail = std::move(detail);
    change.event = std::move(event);
    change.head = head_;
    change.trial = trial;
    change.attempt = attempt;
    return {std::move(change), std::move(trial), std::move(attempt)};
  }

  Change change;

 private:
  TimeUs now_;
  StudyHead head_;
};

Transition unchanged(TrialRecord trial, std::optional<AttemptRecord> attempt) {
  return {Change{}, std::move(trial), std::move(attempt)};
}

struct Held {
  TrialRecord trial;
  std::optional<AttemptRecord> attempt;  ///< the newest
};

/// The trial and its newest attempt, if `fence` may speak for it. An ended trial passes: what a
/// second word about it means is for the command to say.
std::variant<Held, Refusal> held(const Rows& rows, std::int64_t number, std::int64_t fence) {
  auto trial = rows.trial(number);
  if (!trial) return refuse(RefusalKind::not_found, fmt::format("there is no trial {}", number));
  std::optional<AttemptRecord> attempt;
  if (trial->attempts > 0) attempt = rows.attempt(number, trial->attempts);
  const bool waits = trial->state == TrialState::queued || trial->state == TrialState::paused;
  if (fence != 0 && (!attempt || attempt->fence != fence || waits)) {
    return refuse(
        RefusalKind::lease_lost,
        fmt::format("trial {} is no longer this worker's: its lease was lost and the trial was {}", number,
                    trial->state == TrialState::queued   ? "requeued"
                    : trial->state == TrialState::paused ? "paused"
                                                         : "given to another"));
  }
  if (fence == 0 && trial->state == TrialState::paused) {
    return refuse(RefusalKind::conflict, fmt::format("trial {} is paused: no one runs it now", number));
  }
  if (fence == 0 && trial->state == TrialState::queued) {
    return refuse(RefusalKind::conflict, fmt::format("trial {} is queued: no one runs it yet", number));
  }
  if (fence == 0 && trial->state == TrialState::running && attempt->lease_until != 0) {
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} is being run by worker {}", number, attempt->worker));
  }
  return Held{std::move(*trial), std::move(attempt)};
}

std::optional<Refusal> check_metrics(const Metrics& metrics) {
  if (metrics.empty()) return refuse(RefusalKind::usage, "a report needs at least one metric");
  for (const auto& [name, value] : metrics) {
    if (name.empty() || name == "step") {
      return refuse(RefusalKind::usage, fmt::format("\"{}\" cannot be a metric's name", name));
    }
    if (!std::isfinite(value)) {
      return refuse(RefusalKind::usage,
                    fmt::format("metric \"{}\" is {}: only finite numbers can be recorded", name, value));
    }
  }
  return std::nullopt;
}

Refusal already(const TrialRecord& trial, std::string_view attempted) {
  return refuse(RefusalKind::conflict, fmt::format("trial {} has already {} and cannot be {}", trial.number,
                                                   trial.state == TrialState::completed ? "completed"
                                                   : trial.state == TrialState::stopped ? "been stopped"
                                                   : trial.state == TrialState::failed  ? "failed"
                                                                                        : "been cancelled",
                                                   attempted));
}

/// What an earlier request with this key made.
std::optional<Transition> made_before(const Rows& rows, const std::string& key) {
  if (key.empty()) return std::nullopt;
  const auto number = rows.trial_by_key(key);
  if (!number) return std::nullopt;
  auto trial = rows.trial(*number);
  auto attempt = trial->attempts > 0 ? rows.attempt(*number, trial->attempts) : std::nullopt;
  return unchanged(std::move(*trial), std::move(attempt));
}

std::optional<Refusal> check_suggester(const StudyHead& head, std::int64_t fence) {
  if (fence == 0 || fence == head.suggester_fence) return std::nullopt;
  return refuse(RefusalKind::stale, fmt::format("the study's proposals are made by {} now", head.suggester));
}

Result apply(const Rows& rows, const CreateTrial& c, TimeUs now) {
  if (auto earlier = made_before(rows, c.key)) return std::move(*earlier);
  if (auto refusal = check_suggester(rows.head(), c.suggester)) return std::move(*refusal);
  try {
    rows.spec().space.validate(c.parameters);
  } catch (const SpaceError& e) {
    return refuse(RefusalKind::usage, e.what());
  }
  Step step(rows, now);
  if (c.expect_number >= 0 && c.expect_number != step.head().next_trial) {
    return refuse(RefusalKind::stale, fmt::format("a proposal for trial {} came when {} was next",
                                                  c.expect_number, step.head().next_trial));
  }
  TrialRecord trial;
  trial.number = step.head().next_trial++;
  trial.revision = rows.revision();
  trial.parameters = c.parameters;
  trial.proposal = c.proposal;
  trial.key = c.key;
  trial.created = now;
  ++step.head().queued;
  std::optional<AttemptRecord> attempt;
  if (c.worker.empty()) {
    step.change.front = c.front;
  } else {
    step.set_state(trial, TrialState::running);
    attempt = step.begin_attempt(trial, c.worker, c.host, c.lease);
  }
  return step.finish("created", std::move(trial), std::move(attempt));
}

Result apply(const Rows& rows, const ReviseProposal& c, TimeUs now) {
  if (auto refusal = check_suggester(rows.head(), c.suggester)) return std::move(*refusal);
  auto trial = rows.trial(c.trial);
  if (!trial) return refuse(RefusalKind::not_found, fmt::format("there is no trial {}", c.trial));
  if (trial->state != TrialState::queued || trial->attempts > 0) {
    return refuse(RefusalKind::conflict, fmt::format("trial {} has begun: its point stands", c.trial));
  }
  try {
    rows.spec().space.validate(c.parameters);
  } catch (const SpaceError& e) {
    return refuse(RefusalKind::usage, e.what());
  }
  Step step(rows, now);
  step.change.revised = true;
  trial->revision = rows.revision();
  trial->parameters = c.parameters;
  trial->proposal = c.proposal;
  return step.finish("revised", std::move(*trial), std::nullopt);
}

/// `c` is a LeaseTrial or a LeaseNext.
Transition lease(const Rows& rows, const auto& c, TrialRecord trial, TimeUs now) {
  Step step(rows, now);
  step.set_state(trial, TrialState::running);
  auto attempt = step.begin_attempt(trial, c.worker, c.host, c.lease);
  attempt.resources = c.resources;
  if (!c.key.empty()) trial.key = c.key;
  return step.finish("leased", std::move(trial), std::move(attempt));
}

Result apply(const Rows& rows, const LeaseTrial& c, TimeUs now) {
  if (auto earlier = made_before(rows, c.key)) return std::move(*earlier);
  auto trial = rows.trial(c.trial);
  if (!trial) return refuse(RefusalKind::not_found, fmt::format("there is no trial {}", c.trial));
  if (trial->state != TrialState::queued) {
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} is {}, not queued", c.trial, to_string(trial->state)));
  }
  if (c.worker.empty()) return refuse(RefusalKind::usage, "a lease needs a worker's name");
  return lease(rows, c, std::move(*trial), now);
}

Result apply(const Rows& rows, const LeaseNext& c, TimeUs now) {
  if (auto earlier = made_before(rows, c.key)) return std::move(*earlier);
  if (c.worker.empty()) return refuse(RefusalKind::usage, "a lease needs a worker's name");
  const auto head = rows.head();
  const auto& budget = rows.spec().budget.trials;
  const bool used_up = c.within_budget && budget && head.finished() + head.running >= *budget;
  if (head.queued == 0 || used_up) return Transition{};
  auto trial = rows.next_queued();
  if (!trial) return Transition{};
  return lease(rows, c, std::move(*trial), now);
}

Result apply(const Rows& rows, const RenewLease& c, TimeUs now) {
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (ended(trial.state)) return already(trial, "renewed");
  attempt->lease_until = c.lease == 0 ? 0 : now + c.lease;
  Change change;
  change.attempt = attempt;
  return Transition{std::move(change), std::move(trial), std::move(attempt)};
}

Result apply(const Rows& rows, const ReportStep& c, TimeUs now) {
  if (c.step < 1)
    return refuse(RefusalKind::usage, fmt::format("step is {}: steps count completed units from 1", c.step));
  if (auto refusal = check_metrics(c.metrics)) return std::move(*refusal);
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  Step step(rows, now);
  for (const auto& [metric, value] : c.metrics) {
    if (const auto earlier = rows.report(c.trial, attempt->number, metric, c.step)) {
      if (same_bits(*earlier, value)) continue;
      return refuse(RefusalKind::conflict,
                    fmt::format("trial {} already reported {} = {} at step {}, now {}", c.trial, metric,
                                to_string(*earlier), c.step, to_string(value)));
    }
    const std::int64_t last = rows.last_step(c.trial, attempt->number, metric);
    if (c.step <= last) {
      return refuse(RefusalKind::conflict,
                    fmt::format("trial {} reported {} at step {} before: step {} comes too late", c.trial,
                                metric, last, c.step));
    }
    step.change.reports.push_back({c.trial, attempt->number, c.step, metric, value});
  }
  if (step.change.reports.empty()) return unchanged(std::move(trial), std::move(attempt));
  if (ended(trial.state)) return already(trial, "reported on");
  return step.finish("reported", std::move(trial), std::move(attempt), {{"step", c.step}});
}

Result apply(const Rows& rows, const CompleteTrial& c, TimeUs now) {
  if (auto refusal = check_metrics(c.metrics)) return std::move(*refusal);
  const auto& objective = rows.spec().objective();
  const auto told = c.metrics.find(objective.metric);
  if (told == c.metrics.end()) {
    std::string names;
    for (const auto& [name, value] : c.metrics) names += (names.empty() ? "" : ", ") + name;
    return refuse(RefusalKind::usage,
                  fmt::format("the objective \"{}\" is missing (found: {})", objective.metric, names));
  }
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (trial.state == TrialState::completed) {
    if (same_metrics(trial.metrics, c.metrics)) return unchanged(std::move(trial), std::move(attempt));
    const auto earlier = trial.metrics.find(objective.metric);
    return refuse(RefusalKind::conflict,
                  fmt::format("trial {} was already told {} = {}, now {}: the first stands", c.trial,
                              objective.metric, to_string(earlier->second), to_string(told->second)));
  }
  if (ended(trial.state)) return already(trial, "completed");
  Step step(rows, now);
  trial.metrics = c.metrics;
  trial.outcome = attempt->outcome = Outcome::completed;
  attempt->exit_code = c.exit_code;
  attempt->ended_at = now;
  step.set_state(trial, TrialState::completed);
  auto& head = step.head();
  const bool better = objective.direction == Direction::minimize ? told->second < head.best_value
                                                                 : told->second > head.best_value;
  if (head.best_trial < 0 || better) {
    head.best_trial = c.trial;
    head.best_value = told->second;
  }
  return step.finish("completed", std::move(trial), std::move(attempt));
}

/// Of a paused trial, which no one holds.
Transition stop_paused(const Rows& rows, TrialRecord trial, const std::string& reason, TimeUs now) {
  auto attempt = rows.attempt(trial.number, trial.attempts);
  Step step(rows, now);
  trial.outcome = Outcome::stopped;
  trial.reason = reason;
  step.set_state(trial, TrialState::stopped);
  return step.finish("stopped", std::move(trial), std::move(attempt));
}

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

Result apply(const Rows& rows, const RecordDecision& c, TimeUs now) {
  auto found = held(rows, c.trial, c.fence);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& [trial, attempt] = std::get<Held>(found);
  if (ended(trial.state)) return already(trial, "decided on");
  Step step(rows, now);
  step.change.decision = DecisionRecord{c.trial, attempt->number, c.step, c.verdict, c.basis};
  return step.finish("decided", std::move(trial), std::move(attempt),
                     {{"step", c.step}, {"verdict", c.verdict}});
}

Result apply(const Rows& rows, const TakeSuggester& c, TimeUs now) {
  if (c.worker.empty()) return refuse(RefusalKind::usage, "a suggester needs a name");
  Transition result;
  StudyHead head = rows.head();
  const bool own = head.suggester == c.worker;
  const bool free = head.suggester.empty() || lease_over(head.suggester_until, now, c.stood_until) ||
                    (!c.dead.empty() && head.suggester == c.dead);
  if (!own && (c.lease == 0 || !free)) return result;
  if (!own) ++head.suggester_fence;
  head.suggester = c.lease == 0 ? "" : c.worker;
  head.suggester_until = c.lease == 0 ? 0 : now + c.lease;
  result.change.head = std::move(head);
  return result;
}

Result apply(const Rows& rows, const AddRunningTime& c, TimeUs /*now*/) {
  if (c.amount < 0) return refuse(RefusalKind::usage, "running time cannot be negative");
  Transition result;
  result.change.head = rows.head();
  result.change.head->running_time += c.amount;
  return result;
}

}  // namespace

bool lease_over(TimeUs until, TimeUs now, TimeUs stood_until) {
  return until != 0 && (until <= now || until == stood_until);
}

std::variant<Transition, Refusal> transition(const Rows& rows, const Command& command, TimeUs now) {
  return std::visit([&](const auto& c) { return apply(rows, c, now); }, command);
}

void throw_refusal(const Refusal& refusal) {
  switch (refusal.kind) {
    case RefusalKind::not_found:
      throw NotFoundError(refusal.message);
    case RefusalKind::usage:
      throw UsageError(refusal.message);
    case RefusalKind::lease_lost:
      throw LeaseLostError(refusal.message);
    case RefusalKind::stale:
      throw StaleError(refusal.message);
    case RefusalKind::conflict:
      break;
  }
  throw ConflictError(refusal.message);
}

}  // namespace krigon
