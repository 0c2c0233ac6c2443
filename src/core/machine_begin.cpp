#include <fmt/format.h>

#include "core/machine_step.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

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

/// `c` is a LeaseTrial or a LeaseNext.
Transition lease(const Rows& rows, const auto& c, TrialRecord trial, TimeUs now) {
  Step step(rows, now);
  step.set_state(trial, TrialState::running);
  auto attempt = step.begin_attempt(trial, c.worker, c.host, c.lease);
  attempt.resources = c.resources;
  if (!c.key.empty()) trial.key = c.key;
  return step.finish("leased", std::move(trial), std::move(attempt));
}

}  // namespace

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

}  // namespace krigon::detail
