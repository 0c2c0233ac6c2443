#include "core/machine_step.hpp"

#include <bit>

#include <fmt/format.h>

namespace krigon::detail {
namespace {

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

}  // namespace

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

void Step::set_state(TrialRecord& trial, TrialState state) {
  --count_of(head_, trial.state);
  ++count_of(head_, state);
  trial.state = state;
  if (ended(state)) {
    trial.ended_at = now_;
    trial.ended_sequence = head_.sequence + 1;
  }
}

AttemptRecord Step::begin_attempt(TrialRecord& trial, const std::string& worker, const std::string& host,
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

Transition Step::finish(std::string kind, TrialRecord trial, std::optional<AttemptRecord> attempt,
                        nlohmann::json detail) {
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

Transition unchanged(TrialRecord trial, std::optional<AttemptRecord> attempt) {
  return {Change{}, std::move(trial), std::move(attempt)};
}

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

Refusal already(const TrialRecord& trial, std::string_view attempted) {
  return refuse(RefusalKind::conflict, fmt::format("trial {} has already {} and cannot be {}", trial.number,
                                                   trial.state == TrialState::completed ? "completed"
                                                   : trial.state == TrialState::stopped ? "been stopped"
                                                   : trial.state == TrialState::failed  ? "failed"
                                                                                        : "been cancelled",
                                                   attempted));
}

}  // namespace krigon::detail
