#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/machine.hpp"
#include "storage/sqlite_connection.hpp"

namespace krigon::detail {

/// The columns that read_trial() reads, in its order; of the table `trial`.
#define KRIGON_TRIAL_COLUMNS                                                                         \
  "trial.number, trial.revision, trial.state, trial.parameters, trial.sampler, trial.saw_sequence, " \
  "trial.pending, trial.model, trial.note, trial.key, trial.attempts, trial.losses, trial.metrics, " \
  "trial.outcome, trial.reason, trial.ended_sequence, trial.created, trial.started, trial.ended_at"
/// Likewise for read_attempt().
#define KRIGON_ATTEMPT_COLUMNS                                                                           \
  "attempt.trial, attempt.number, attempt.worker, attempt.fence, attempt.lease_until, attempt.outcome, " \
  "attempt.exit_code, attempt.signal, attempt.host, attempt.resources, attempt.stderr_tail, "            \
  "attempt.started, attempt.ended_at"
/// Likewise for read_head(), of the table `study`.
#define KRIGON_HEAD_COLUMNS                                                                       \
  "study.next_trial, study.sequence, study.fence, study.queued, study.running, study.completed, " \
  "study.stopped, study.failed, study.cancelled, study.best_trial, study.best_value, study.running_time"

/// Records from the current row. Throw StorageError for what no store of ours holds.
StudyHead read_head(const Query& query, int first = 0);
TrialRecord read_trial(const Query& query);
AttemptRecord read_attempt(const Query& query);
/// Columns trial, attempt, step, metric, value.
ReportRecord read_report(const Query& query);
/// Columns trial, attempt, step, verdict, basis.
DecisionRecord read_decision(const Query& query);
/// Columns id, time, kind, trial, attempt, detail.
EventRecord read_event(const Query& query);

/// A study's rows within one transaction: what the state machine reads, and where its changes go.
/// What it read it remembers, so that rows which a change leaves as they were are not written.
class SqliteRows final : public Rows {
 public:
  /// `head` and `revision` as read within the transaction.
  SqliteRows(Connection& connection, std::int64_t study, std::shared_ptr<const StudySpec> spec,
             std::int64_t revision, StudyHead head)
      : connection_(connection), study_(study), spec_(std::move(spec)), revision_(revision), head_(head) {}

  const StudySpec& spec() const override { return *spec_; }
  std::int64_t revision() const override { return revision_; }
  StudyHead head() const override { return head_; }
  std::optional<TrialRecord> trial(std::int64_t number) const override;
  std::optional<std::int64_t> trial_by_key(std::string_view key) const override;
  std::optional<AttemptRecord> attempt(std::int64_t trial, std::int64_t number) const override;
  std::optional<double> report(std::int64_t trial, std::int64_t attempt, std::string_view metric,
                               std::int64_t step) const override;
  std::int64_t last_step(std::int64_t trial, std::int64_t attempt, std::string_view metric) const override;

  void write(const Change& change);

 private:
  void insert(const TrialRecord& trial, bool front);
  void update(const TrialRecord& trial);
  void write(const AttemptRecord& attempt);
  void write(const EventRecord& event, const Change& change);
  void write(const StudyHead& head);

  Connection& connection_;
  std::int64_t study_;
  std::shared_ptr<const StudySpec> spec_;
  std::int64_t revision_;
  StudyHead head_;
  mutable std::optional<TrialRecord> read_trial_;
  mutable std::optional<AttemptRecord> read_attempt_;
};

}  // namespace krigon::detail
