#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/clock.hpp"
#include "core/spec.hpp"
#include "krigon/study.hpp"
#include "krigon/value.hpp"

namespace krigon {

/// How an attempt ended. Kept apart because the cure differs.
enum class Outcome {
  none,        ///< still running
  completed,   ///< exit 0 and a final value
  stopped,     ///< stopped early by the scheduler
  paused,      ///< ended early by the scheduler, which may want the trial to go on later
  failed,      ///< exit code other than 0, or told as failed
  bad_result,  ///< exit 0 but no final value, or one that is not a finite number
  timed_out,
  out_of_memory,
  signalled,        ///< ended by a signal that Krigon did not send
  lost,             ///< its manager or worker died; retried
  could_not_start,  ///< the program could not be executed; retried
  cancelled,        ///< by a person
};

std::string_view to_string(TrialState state);
std::string_view to_string(Outcome outcome);
std::string_view to_string(Direction direction);
/// Throw StorageError for an unknown word.
TrialState trial_state_from(std::string_view word);
Outcome outcome_from(std::string_view word);
Direction direction_from(std::string_view word);

/// Completed, stopped, failed or cancelled: nothing changes any more.
bool ended(TrialState state);

/// Where a trial's parameters came from: enough to make the proposal again.
struct Proposal {
  std::string sampler;                ///< "gp", "sobol", ..., or "enqueued" by a person
  std::int64_t saw_sequence = 0;      ///< the last event that it knew of
  std::vector<std::int64_t> pending;  ///< trials that it was conditioned on, ascending
  nlohmann::json model;               ///< the sampler's own: hyperparameters, acquisition value; may be null
  std::string note;                   ///< a fall-back, said in words; empty when none
  std::int64_t parent = -1;           ///< trial whose checkpoint it begins with, -1: none
  std::int64_t replaces = -1;         ///< trial that was stopped for it, -1: none
};

struct TrialRecord {
  std::int64_t number = 0;
  std::int64_t revision = 1;  ///< of the study's spec
  TrialState state = TrialState::queued;
  Parameters parameters;
  Proposal proposal;
  std::string key;                  ///< client's idempotency key, empty: none
  std::int64_t attempts = 0;        ///< attempts begun so far; the newest has this number
  std::int64_t losses = 0;          ///< attempts lost or not started: what `retries` counts
  Metrics metrics;                  ///< final metrics, empty unless completed
  Outcome outcome = Outcome::none;  ///< of the attempt that ended it
  std::string reason;
  std::int64_t ended_sequence = 0;  ///< event that ended it, 0 while it has not
  TimeUs created = 0;
  TimeUs started = 0;  ///< first attempt, 0 before
  TimeUs ended_at = 0;
};

struct AttemptRecord {
  std::int64_t trial = 0;
  std::int64_t number = 1;  ///< from 1
  std::string worker;       ///< "host:pid:start" for local workers; "client" for ask/tell
  std::int64_t fence = 0;   ///< fencing token, unique in the study, rising
  TimeUs lease_until = 0;   ///< 0: never expires (a person or a client holds it)
  Outcome outcome = Outcome::none;
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string host;
  nlohmann::json resources;  ///< {"gpus": [...], "cpus": [...]}, may be null
  std::string stderr_tail;
  TimeUs started = 0;
  TimeUs ended_at = 0;
};

/// One metric at one step of one attempt. Final metrics stand in TrialRecord::metrics.
struct ReportRecord {
  std::int64_t trial = 0;
  std::int64_t attempt = 1;
  std::int64_t step = 1;  ///< completed units, from 1
  std::string metric;
  double value = 0;  ///< finite
};

struct DecisionRecord {
  std::int64_t trial = 0;
  std::int64_t attempt = 1;
  std::int64_t step = 0;
  std::string verdict;   ///< "stop" or "continue"
  nlohmann::json basis;  ///< the rung data it rested on
};

struct EventRecord {
  std::int64_t sequence = 0;  ///< study-local, from 1, dense: the only order
  TimeUs time = 0;
  std::string kind;  ///< "created", "leased", "reported", "told", "failed", ... : the command's name
  std::int64_t trial = -1;
  std::int64_t attempt = 0;
  nlohmann::json detail;
};

/// What the study as a whole stands at; one row.
struct StudyHead {
  std::int64_t next_trial = 0;
  std::int64_t sequence = 0;  ///< of the last event
  std::int64_t fence = 0;     ///< last fencing token handed out
  std::int64_t queued = 0, running = 0, paused = 0, completed = 0, stopped = 0, failed = 0, cancelled = 0;
  std::int64_t best_trial = -1;  ///< best completed, the earliest among equals
  double best_value = 0;
  TimeUs running_time = 0;           ///< added up over all managers, for the time budget
  std::string suggester;             ///< worker that proposes for all, empty before the first
  std::int64_t suggester_fence = 0;  ///< rises with each change of it
  TimeUs suggester_until = 0;        ///< when its lease ends

  /// Trials that count against BudgetSpec::trials.
  std::int64_t finished() const { return completed + stopped + failed; }
  /// Trials that count against it or will.
  std::int64_t begun() const { return finished() + queued + running + paused; }
};

/// A process that runs trials of a study.
struct WorkerRecord {
  std::string name;  ///< as AttemptRecord::worker
  std::string host;
  std::int64_t slots = 1;    ///< trials that it can run at once
  std::int64_t running = 0;  ///< trials that it runs
  std::int64_t waiting = 0;  ///< slots for which it found no trial
  TimeUs started = 0;        ///< by the store's clock
  TimeUs lease_until = 0;    ///< when it counts as gone
};

/// A study's identity row.
struct StudyRecord {
  std::int64_t id = 0;
  std::string name;
  StudySpec spec;
  std::int64_t revision = 1;
  nlohmann::json fingerprint;  ///< {"commit": ..., "dirty": ..., "command": [...], "inputs": {path: sha256}}
  TimeUs created = 0;
  StudyHead head;
};

}  // namespace krigon
