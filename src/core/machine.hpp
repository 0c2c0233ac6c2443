#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/records.hpp"
#include "krigon/error.hpp"

/// The study as a pure state machine: (rows, command, the store's clock) -> changes or a refusal.
/// No thread, no I/O: the same code runs live, in a simulation and in a unit test. A Storage makes
/// each transition durable: it reads the rows, calls transition() and writes the changes and the
/// event in one transaction.
///
///            create            lease             complete / stop / fail
///   (none) ────────► queued ─────────► running ──────────────────────► completed | stopped | failed
///                      ▲  │               │ release (lost, could not start; attempts left)
///                      │  └── cancel ──►  │ cancelled
///                      ├──────────────────┤
///                      │      resume      ▼ pause
///                      └────────────── paused ───────────────────────► stopped
namespace krigon {

/// Makes a trial: queued, or running at once when `worker` is set.
struct CreateTrial {
  Parameters parameters;
  Proposal proposal;
  std::string key;     ///< the same key again returns the trial it made, unchanged
  std::string worker;  ///< empty: queued
  std::string host;
  TimeUs lease = 0;    ///< microseconds, 0: never expires
  bool front = false;  ///< ahead of the queue (a person's own points); only where `worker` is empty
  /// Refused as stale unless the trial would get this number (-1: any): a proposal has then seen
  /// every trial before it, whatever other processes asked meanwhile.
  std::int64_t expect_number = -1;
  /// Refused as stale unless this is the fencing token of the study's suggester (0: whoever it is).
  std::int64_t suggester = 0;
};

/// Another point for a trial that no one has run yet, which had been proposed for it before more was known.
struct ReviseProposal {
  std::int64_t trial = 0;
  Parameters parameters;
  Proposal proposal;
  std::int64_t suggester = 0;  ///< as CreateTrial's
};

/// Begins an attempt of a queued trial.
struct LeaseTrial {
  std::int64_t trial = 0;
  std::string worker;
  std::string host;
  TimeUs lease = 0;
  nlohmann::json resources;
  std::string key;  ///< becomes the trial's; the same key again returns that trial, unchanged
};

/// Begins an attempt of the trial at the head of the queue. Without one there, leaves no trial.
struct LeaseNext {
  std::string worker;
  std::string host;
  TimeUs lease = 0;
  nlohmann::json resources;
  std::string key;  ///< as LeaseTrial's
  /// Leaves no trial either while as many run or have ended as the budget has.
  bool within_budget = false;
};

/// The heartbeat: the lease ends `lease` from now.
struct RenewLease {
  std::int64_t trial = 0, fence = 0;
  TimeUs lease = 0;
};

/// Intermediate metrics at a step. Steps rise within an attempt and metric; an equal repeat is a
/// no-op; a different value or a lower step is refused.
struct ReportStep {
  std::int64_t trial = 0, fence = 0;
  std::int64_t step = 0;
  Metrics metrics;
};

/// The final metrics; must hold the objective's. First tell wins: an equal second is a no-op, a
/// different one is refused.
struct CompleteTrial {
  std::int64_t trial = 0, fence = 0;
  Metrics metrics;
  std::optional<int> exit_code;
};

/// The scheduler stopped it. Its last report is what it reached, no final observation. A paused trial is
/// stopped with fence 0.
struct StopTrial {
  std::int64_t trial = 0, fence = 0;
  std::string reason;
};

/// The scheduler ended its process, and may take the trial up again.
struct PauseTrial {
  std::int64_t trial = 0, fence = 0;
  std::string reason;
};

/// Puts a paused trial at the head of the queue.
struct ResumeTrial {
  std::int64_t trial = 0;
  nlohmann::json basis;  ///< what the scheduler rested it on
};

/// The attempt ended badly. `outcome` lost or could_not_start puts the trial back in the queue while
/// it has attempts left (`retries`); any other ends it as failed (cancelled: as cancelled).
struct FailAttempt {
  std::int64_t trial = 0, fence = 0;
  Outcome outcome = Outcome::failed;
  std::string reason;
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string stderr_tail;
  bool if_expired = false;  ///< refused while the lease holds: lease_over()
  TimeUs stood_until = 0;   ///< for lease_over()
};

/// Hands a running trial back to the queue, no one being to blame: a manager that was told to leave.
struct ReleaseTrial {
  std::int64_t trial = 0, fence = 0;
  std::string reason;
};

/// Withdraws a trial that has not ended. Fenced only in that later words of its attempt are refused.
struct CancelTrial {
  std::int64_t trial = 0;
  std::string reason;
  bool if_queued = false;  ///< refused where someone runs it, or it is paused
};

/// Keeps what a scheduler decided.
struct RecordDecision {
  std::int64_t trial = 0, fence = 0;
  std::int64_t step = 0;
  std::string verdict;
  nlohmann::json basis;
};

/// Makes the worker the study's suggester, or keeps it so for `lease` from now; with 0 it leaves. Another's
/// is left alone while its lease holds. Whose it is then stands in the head.
struct TakeSuggester {
  std::string worker;
  TimeUs lease = 0;
  std::string dead;        ///< a worker that is known to be gone, whatever its lease says; empty: none
  TimeUs stood_until = 0;  ///< for lease_over()
};

/// Adds a manager's running time to the study's.
struct AddRunningTime {
  TimeUs amount = 0;
};

/// Whether a lease that ends at `until` (0: never) is over: by the store's clock, or because it stood
/// unchanged for longer than a lease lasts, as the one who asks saw by a clock of its own (`stood_until`: the
/// end of the lease that it watched, 0: none). Otherwise a store's clock that was set back would have it wait
/// for the dead until it has caught up.
bool lease_over(TimeUs until, TimeUs now, TimeUs stood_until);

/// Fence 0 in a command means "whoever holds it" and is for people (krigon tell TRIAL ...): it is
/// accepted for attempts whose lease never expires, refused for others.
using Command = std::variant<CreateTrial, ReviseProposal, LeaseTrial, LeaseNext, RenewLease, ReportStep,
                             CompleteTrial, StopTrial, PauseTrial, ResumeTrial, FailAttempt, ReleaseTrial,
                             CancelTrial, RecordDecision, TakeSuggester, AddRunningTime>;

/// What transition() may look at; a Storage implements it over its own rows inside a transaction.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual const StudySpec& spec() const = 0;
  virtual std::int64_t revision() const = 0;
  virtual StudyHead head() const = 0;
  virtual std::optional<TrialRecord> trial(std::int64_t number) const = 0;
  virtual std::optional<std::int64_t> trial_by_key(std::string_view key) const = 0;
  virtual std::optional<AttemptRecord> attempt(std::int64_t trial, std::int64_t number) const = 0;
  /// The trial at the head of the queue: first those put in front, then by number.
  virtual std::optional<TrialRecord> next_queued() const = 0;
  /// The value reported at exactly this step.
  virtual std::optional<double> report(std::int64_t trial, std::int64_t attempt, std::string_view metric,
                                       std::int64_t step) const = 0;
  /// The highest step reported for this metric, 0 when none.
  virtual std::int64_t last_step(std::int64_t trial, std::int64_t attempt, std::string_view metric) const = 0;
};

/// Rows to insert or replace (by their keys: trial number; trial+attempt; trial+attempt+metric+step),
/// the new head, and the one event. Heartbeats and running time change their row without an event:
/// no proposal depends on them. An empty Change is a no-op.
struct Change {
  std::optional<StudyHead> head;
  std::optional<TrialRecord> trial;
  std::optional<AttemptRecord> attempt;
  std::vector<ReportRecord> reports;
  std::optional<DecisionRecord> decision;
  std::optional<EventRecord> event;
  bool front = false;    ///< the queued trial goes to the head of the queue
  bool revised = false;  ///< the trial's parameters and proposal are others

  bool empty() const { return !event && !attempt && !head; }
};

enum class RefusalKind { not_found, conflict, lease_lost, stale, usage };

struct Refusal {
  RefusalKind kind;
  std::string message;
};

/// What a command left: the trial and its newest attempt as they stand afterwards.
struct Transition {
  Change change;
  std::optional<TrialRecord> trial;
  std::optional<AttemptRecord> attempt;
};

std::variant<Transition, Refusal> transition(const Rows& rows, const Command& command, TimeUs now);

/// The lease that a command spoke for is another's by now. What was recorded stands.
class LeaseLostError : public ConflictError {
 public:
  using ConflictError::ConflictError;
};

/// A proposal that other processes overtook: propose again.
class StaleError : public ConflictError {
 public:
  using ConflictError::ConflictError;
};

/// Throws the Error that belongs to the refusal (NotFoundError, ConflictError, LeaseLostError,
/// StaleError, UsageError).
[[noreturn]] void throw_refusal(const Refusal& refusal);

}  // namespace krigon
