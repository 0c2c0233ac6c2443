#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/machine.hpp"
#include "core/records.hpp"
#include "krigon/error.hpp"

namespace krigon {

/// What apply() left behind.
struct Applied {
  bool changed = false;       ///< false: the command repeated what already stood
  std::int64_t sequence = 0;  ///< the study's last event
  StudyHead head;             ///< as it stands afterwards
  std::optional<TrialRecord> trial;
  std::optional<AttemptRecord> attempt;  ///< the newest of that trial
};

/// Rows that events after a sequence number touched, as they stand now (each once).
struct Delta {
  std::int64_t sequence = 0;  ///< of the last event that was looked at
  StudyHead head;
  std::vector<TrialRecord> trials;    ///< ascending by number
  std::vector<ReportRecord> reports;  ///< in the order in which they were written
  std::vector<DecisionRecord> decisions;
};

/// Which trials to list.
struct TrialQuery {
  std::optional<TrialState> state;
  std::int64_t from = 0;  ///< first number
  std::int64_t limit = INT64_MAX;
};

/// The longest that a worker may say it lives for; microseconds. Whatever lies further ahead is of before a
/// store's clock was set back.
inline constexpr TimeUs kLongestLease = 24 * 3600 * kSecond;

/// A store was away, or kept locked by others, for longer than it was waited for. The same may pass later.
class StoreAwayError : public StorageError {
 public:
  using StorageError::StorageError;
};

/// How long a store may be locked by others, or its server be away, before that is an error.
inline constexpr std::chrono::seconds kPatience{30};

/// Whether to wait on, asked once a second by each thread that waits. `waited`: so far; `why`: in words. Must
/// neither use the store nor throw.
using Patience = std::function<bool(std::chrono::milliseconds waited, const std::string& why)>;

/// Where studies are kept. Every implementation passes tests/conformance/storage.
///
/// Guarantees:
/// - apply() is atomic and isolated: rows, head and event change together or not at all, and two
///   processes that apply at once are ordered by the event sequence.
/// - When apply() has returned, what it changed is durable (for stores that outlive the process):
///   kill -9 right after loses nothing.
/// - A refused command changes nothing and throws ConflictError, NotFoundError or UsageError.
/// - Readers never block writers, and see only whole transactions.
/// - A store written by a newer schema is refused with StorageError; an older one is migrated
///   forward in one transaction.
/// Thread-safe: one Storage may be shared by threads. Environment trouble (disk full, read-only) throws
/// StorageError with the path and the cause, a store that stays away or locked StoreAwayError; both lose
/// nothing.
class Storage {
 public:
  virtual ~Storage() = default;

  /// Throws ConflictError when the name is taken.
  virtual StudyRecord create_study(const StudySpec& spec, const nlohmann::json& fingerprint) = 0;
  virtual std::optional<StudyRecord> find_study(std::string_view name) = 0;
  virtual std::vector<StudyRecord> studies() = 0;  ///< by name
  /// Removes the study and all its rows. Throws NotFoundError.
  virtual void delete_study(std::int64_t study) = 0;
  /// A changed spec is a new revision; old trials keep theirs. The name stays.
  virtual void update_spec(std::int64_t study, const StudySpec& spec, const nlohmann::json& fingerprint) = 0;
  /// The spec of an older revision. Throws NotFoundError.
  virtual StudySpec spec_at(std::int64_t study, std::int64_t revision) = 0;

  virtual Applied apply(std::int64_t study, const Command& command) = 0;

  virtual StudyHead head(std::int64_t study) = 0;
  /// At most `limit` events of them: its `sequence` is then not yet the head's.
  virtual Delta changes_since(std::int64_t study, std::int64_t sequence, std::int64_t limit) = 0;
  Delta changes_since(std::int64_t study, std::int64_t sequence) {
    return changes_since(study, sequence, INT64_MAX);
  }
  /// A study's trials from number `from` on; of those before, the queued, running and paused ones and the
  /// `best` with the best objective of those that completed (of equal ones the earliest); and all reports of
  /// these, by trial, attempt and step. Without decisions.
  virtual Delta window(std::int64_t study, std::int64_t from, std::int64_t best) = 0;
  virtual std::vector<TrialRecord> trials(std::int64_t study, const TrialQuery& query) = 0;
  virtual std::optional<TrialRecord> trial(std::int64_t study, std::int64_t number) = 0;
  /// The trial that a client's key made or leased: each of its keys goes on naming it.
  virtual std::optional<std::int64_t> trial_by_key(std::int64_t study, std::string_view key) = 0;
  /// Attempts of a trial, ascending.
  virtual std::vector<AttemptRecord> attempts(std::int64_t study, std::int64_t trial) = 0;
  /// Newest attempts of all running trials, ascending by trial.
  virtual std::vector<AttemptRecord> running_attempts(std::int64_t study) = 0;
  /// Reports of a trial, by attempt, step, metric.
  virtual std::vector<ReportRecord> reports(std::int64_t study, std::int64_t trial) = 0;
  virtual std::vector<DecisionRecord> decisions(std::int64_t study, std::int64_t trial) = 0;
  virtual std::vector<EventRecord> events(std::int64_t study, std::int64_t after, std::int64_t limit) = 0;
  /// Says that the worker lives, for `lease` microseconds from now, at most kLongestLease; 0: that it leaves.
  /// Workers of one study have leases of much the same length: those that lie more than ten of this one ahead
  /// are of before the store's clock was set back, and forgotten until they say so anew.
  /// Throws NotFoundError, UsageError.
  virtual void heartbeat(std::int64_t study, const WorkerRecord& worker, TimeUs lease) = 0;
  /// Those that live, by name. Where the store's clock was set back and none has said so since, also those
  /// that lived then, up to kLongestLease ahead.
  virtual std::vector<WorkerRecord> workers(std::int64_t study) = 0;

  /// By the store's clock, which all leases go by.
  virtual TimeUs now() = 0;

  /// What decides from now on how long the store is waited for; empty: kPatience. Not while others use it.
  virtual void set_patience(const Patience& patience) = 0;

  /// "memory:" or the URL that names this store.
  virtual std::string url() const = 0;
};

}  // namespace krigon
