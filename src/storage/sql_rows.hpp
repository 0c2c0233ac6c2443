#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "core/machine.hpp"
#include "storage/sql_records.hpp"

namespace krigon::detail {

/// The head of a study that a transaction is about to change; and what it may have read on the way.
struct WritableHead {
  StudyHead head;
  std::int64_t revision = 0;
  TimeUs now = 0;                        ///< by the store's clock
  std::optional<TrialRecord> trial;      ///< the one that was named, if it was asked for and is there
  std::optional<AttemptRecord> attempt;  ///< the newest of that trial
  bool next_asked = false;               ///< `trial` is the queue's head: none there, none to be had
};

/// A study's rows within one transaction: what the state machine reads, and where its changes go.
/// What it read it remembers, so that rows which a change leaves as they were are not written.
///
/// Engine has types Connection, Query (a statement with ? for its arguments, bound, stepped and read) and
/// Trials, the tables of trials and attempts, where pack(study, number) is a trial's key:
///
///   find(connection, key, newest)     the trial; may read its newest attempt on the way
///   attempt(connection, key, number)
///   write(connection, study, change, is_new, was, was_attempt, spec)
///                                     the change's trial and attempt, where they differ from what was read
///
/// and write_head(connection, study, change, before): the change's event and the head that it leaves.
template <class Engine>
class SqlRows final : public Rows {
 public:
  using Connection = typename Engine::Connection;
  using Query = typename Engine::Query;

  /// `locked` as read within the transaction.
  SqlRows(Connection& connection, std::int64_t study, std::shared_ptr<const StudySpec> spec,
          WritableHead locked)
      : connection_(connection),
        study_(study),
        spec_(std::move(spec)),
        revision_(locked.revision),
        head_(std::move(locked.head)),
        next_asked_(locked.next_asked),
        read_trial_(std::move(locked.trial)),
        read_attempt_(std::move(locked.attempt)) {}

  const StudySpec& spec() const override { return *spec_; }
  std::int64_t revision() const override { return revision_; }
  StudyHead head() const override { return head_; }

  std::optional<TrialRecord> trial(std::int64_t number) const override {
    if (number < 0 || number > kMaxNumber) return std::nullopt;
    if (read_trial_ && read_trial_->number == number) return read_trial_;
    read_trial_ = Engine::Trials::find(connection_, pack(study_, number), read_attempt_);
    return read_trial_;
  }

  std::optional<std::int64_t> trial_by_key(std::string_view key) const override {
    Query query(connection_, "SELECT number FROM trial_key WHERE study = ? AND key = ?", study_, key);
    return query.next() ? std::optional(query.integer(0)) : std::nullopt;
  }

  std::optional<AttemptRecord> attempt(std::int64_t trial, std::int64_t number) const override {
    if (trial < 0 || trial > kMaxNumber) return std::nullopt;
    if (read_attempt_ && read_attempt_->trial == trial && read_attempt_->number == number)
      return read_attempt_;
    read_attempt_ = Engine::Trials::attempt(connection_, pack(study_, trial), number);
    return read_attempt_;
  }

  std::optional<TrialRecord> next_queued() const override {
    if (next_asked_) return read_trial_;
    Query query(connection_, KRIGON_NEXT_QUEUED, study_);
    if (!query.next()) return std::nullopt;
    read_trial_ = read_trial(query);
    return read_trial_;
  }

  std::optional<double> report(std::int64_t trial, std::int64_t attempt, std::string_view metric,
                               std::int64_t step) const override {
    Query query(connection_,
                "SELECT value FROM report WHERE trial = ? AND attempt = ? AND step = ? AND metric = ?",
                pack(study_, trial), attempt, step, metric);
    return query.next() ? std::optional(query.real(0)) : std::nullopt;
  }

  std::int64_t last_step(std::int64_t trial, std::int64_t attempt, std::string_view metric) const override {
    // Walks back from the newest report; a metric that comes as often as others is found at once.
    Query query(connection_,
                "SELECT step FROM report WHERE trial = ? AND attempt = ? AND metric = ? "
                "ORDER BY step DESC LIMIT 1",
                pack(study_, trial), attempt, metric);
    return query.next() ? query.integer(0) : 0;
  }

  void write(const Change& change) {
    if (change.trial) {
      const bool is_new = change.trial->number >= head_.next_trial;
      const auto& key = change.trial->key;
      if (!key.empty() && (is_new || !read_trial_ || read_trial_->key != key)) {
        Query(connection_, "INSERT INTO trial_key(study, key, number) VALUES(?, ?, ?)", study_, key,
              change.trial->number)
            .run();
      }
      if (is_new && change.trial->number > kMaxNumber) {
        throw StorageError("a study cannot have more than 2^40 trials");
      }
      Engine::Trials::write(connection_, study_, change, is_new, read_trial_, read_attempt_, *spec_);
    } else if (change.attempt) {
      Engine::Trials::write(connection_, study_, change, false, read_trial_, read_attempt_, *spec_);
    }
    const std::int64_t sequence = change.event ? change.event->sequence : head_.sequence;
    for (const auto& r : change.reports) {
      Query(connection_,
            "INSERT INTO report(trial, attempt, step, metric, value, sequence) VALUES(?, ?, ?, ?, ?, ?)",
            pack(study_, r.trial), r.attempt, r.step, r.metric, r.value, sequence)
          .run();
    }
    if (change.decision) {
      const auto& d = *change.decision;
      Query(connection_,
            "INSERT INTO decision(trial, sequence, attempt, step, verdict, basis) VALUES(?, ?, ?, ?, ?, ?)",
            pack(study_, d.trial), sequence, d.attempt, d.step, d.verdict, nullable_text(d.basis))
          .run();
    }
    Engine::write_head(connection_, study_, change, head_);
  }

 private:
  Connection& connection_;
  std::int64_t study_;
  std::shared_ptr<const StudySpec> spec_;
  std::int64_t revision_;
  StudyHead head_;
  bool next_asked_;
  mutable std::optional<TrialRecord> read_trial_;
  mutable std::optional<AttemptRecord> read_attempt_;
};

}  // namespace krigon::detail
