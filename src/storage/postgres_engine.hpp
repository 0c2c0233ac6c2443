#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "core/clock.hpp"
#include "core/url.hpp"
#include "storage/patience.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_schema.hpp"
#include "storage/postgres_step.hpp"
#include "storage/postgres_trials.hpp"
#include "storage/sql_rows.hpp"
#include "storage/sql_study.hpp"

namespace krigon::detail {

/// PostgreSQL under SqlStorage: connections, transactions and what becomes of them where the server goes
/// away.
class PostgresEngine {
 public:
  using Connection = PostgresConnection;
  using Query = PostgresQuery;
  using Trials = PostgresTrials;

  // event.id & 1099511627775 is its sequence: number_of().
  static constexpr const char* kReportsSince =
      "SELECT report.trial, report.attempt, report.step, report.metric, report.value FROM event "
      "JOIN report ON report.trial = event.trial AND report.attempt = event.attempt AND "
      "report.step = event.step AND report.sequence = event.id & 1099511627775 "
      "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL ORDER BY event.id, report.metric";
  static constexpr const char* kDecisionsSince =
      "SELECT decision.trial, decision.attempt, decision.step, decision.verdict, decision.basis FROM event "
      "JOIN decision ON decision.trial = event.trial AND decision.sequence = event.id & 1099511627775 "
      "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL ORDER BY event.id";
  static constexpr const char* kAttempts =
      "SELECT " KRIGON_ATTEMPT_COLUMNS " FROM attempt WHERE trial = ? ORDER BY number";
  static constexpr const char* kRunningAttempts =
      "SELECT " KRIGON_ATTEMPT_COLUMNS
      " FROM trial JOIN attempt ON attempt.trial = trial.id AND attempt.number = trial.attempts "
      "WHERE trial.study = ? AND trial.state = 'running' ORDER BY trial.id";

  static constexpr const char* kHead = "SELECT revision, " KRIGON_HEAD_COLUMNS " FROM study WHERE id = ?";
  static constexpr const char* kStudies = KRIGON_STUDY_SELECT("study") "ORDER BY study.name";
  static constexpr const char* kStudyNamed = KRIGON_STUDY_SELECT("study") "WHERE study.name = ?";

  static void write_head(Connection& connection, std::int64_t study, const Change& change, const StudyHead&) {
    if (change.event) {
      const auto& e = *change.event;
      const auto id = pack(study, e.sequence);
      Query(connection,
            "INSERT INTO event(id, time, kind, trial, attempt, step, detail, token) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, current_setting('krigon.token')::bigint)",
            id, e.time, e.kind, trial_id(study, e), e.attempt, step_of(change), nullable_text(e.detail))
          .run();
      connection.set_event(id);
    }
    if (!change.head) return;
    const auto& h = *change.head;
    Query(connection,
          "UPDATE study SET next_trial = ?, sequence = ?, fence = ?, queued = ?, running = ?, completed = ?, "
          "stopped = ?, failed = ?, cancelled = ?, best_trial = ?, best_value = ?, running_time = ?, "
          "paused = ?, suggester = ?, suggester_fence = ?, suggester_until = ? WHERE id = ?",
          h.next_trial, h.sequence, h.fence, h.queued, h.running, h.completed, h.stopped, h.failed,
          h.cancelled, h.best_trial, h.best_value, h.running_time, h.paused, h.suggester, h.suggester_fence,
          h.suggester_until, study)
        .run();
  }

  PostgresEngine(std::string url, bool create, bool read_only, const Clock* clock)
      : url_(std::move(url)), read_only_(read_only), clock_(clock), owner_(getpid()) {
    auto connection = std::make_unique<PostgresConnection>(url_, read_only_);
    if (create && !read_only_) {
      migrate_postgres(*connection);
    } else {
      if (!read_only_ && postgres_version(*connection) > 0) migrate_postgres(*connection);
      check_postgres(*connection);
    }
    idle_.push_back(std::move(connection));
  }

  template <class Body>
  auto read(const Body& body) {
    return patiently([&](Lent& lent) {
      lent->begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      auto result = body(*lent);
      lent->rollback();
      return result;
    });
  }

  template <class Body>
  auto write(const Body& body) {
    if (read_only_) {
      throw StorageError(fmt::format("the store {}: it was opened read-only and cannot be changed", url()));
    }
    return patiently([&](Lent& lent) {
      const std::int64_t token = fresh_token();
      lent->begin_writing();
      lent->send("SELECT set_config('krigon.token', ?, true)", {std::to_string(token)});
      auto result = body(*lent);
      const std::int64_t event = lent->event();
      // What adds no event (a heartbeat, running time, a study) may be done again.
      if (!lent->commit() && !(event != 0 && wrote(event, token))) throw PostgresLost("undone");
      return result;
    });
  }

  /// Locks a trial (kNextInQueue: the one at the head of the queue that no one else has locked) and reads it,
  /// with its row's version behind its columns.
  static Connection::Statement trial_locked(Connection& connection, std::int64_t study, std::int64_t trial) {
#define KRIGON_VERSIONED_TRIAL "SELECT " KRIGON_TRIAL_COLUMNS ", trial.xmin::text::bigint FROM trial "
    if (trial == kNextInQueue) {
      return Query(connection, KRIGON_VERSIONED_TRIAL KRIGON_AT_HEAD_OF_QUEUE " FOR UPDATE SKIP LOCKED",
                   study)
          .statement();
    }
    return Query(connection, KRIGON_VERSIONED_TRIAL "WHERE id = ? FOR UPDATE", pack(study, trial))
        .statement();
#undef KRIGON_VERSIONED_TRIAL
  }

  static Connection::Statement newest_attempt(Connection& connection, std::int64_t study,
                                              std::int64_t trial) {
    return Query(connection,
                 "SELECT " KRIGON_ATTEMPT_COLUMNS
                 " FROM attempt WHERE trial = ? ORDER BY number DESC LIMIT 1",
                 pack(study, trial))
        .statement();
  }

  /// The locks in their order: see step_statement(). Each of the statements sees what was committed when the
  /// one before it was done: once the study is locked, all that there is.
  std::optional<WritableHead> lock(Connection& connection, std::int64_t study, std::int64_t trial) const {
    std::vector<Connection::Statement> statements;
    const bool next = trial == kNextInQueue, named = trial >= 0 && trial <= kMaxNumber;
    if (next || named) statements.push_back(trial_locked(connection, study, trial));
    statements.push_back(Query(connection, KRIGON_POSTGRES_TURN, study).statement());
    statements.push_back(Query(connection,
                               "SELECT revision, " KRIGON_HEAD_COLUMNS ", " KRIGON_POSTGRES_NOW
                               " FROM study WHERE id = ? FOR UPDATE",
                               study)
                             .statement());
    if (named) statements.push_back(newest_attempt(connection, study, trial));
    auto results = connection.ask_all(statements);
    Query row(std::move(results[next || named ? 2 : 1]));
    if (!row.next()) return std::nullopt;
    WritableHead locked{read_head(row, 1),
                        row.integer(0),
                        clock_ != nullptr ? clock_->now() : row.integer(1 + kHeadColumns),
                        {},
                        {},
                        next};
    if (next || named) {
      Query trial_row(std::move(results[0]));
      if (trial_row.next()) locked.trial = read_trial(trial_row);
    }
    if (named) {
      Query attempt_row(std::move(results[3]));
      if (attempt_row.next()) locked.attempt = read_attempt(attempt_row);
    }
    return locked;
  }

  TimeUs now(Connection& connection) const {
    Query query(connection, "SELECT " KRIGON_POSTGRES_NOW);
    query.next();
    return clock_ != nullptr ? clock_->now() : query.integer(0);
  }

  std::string url() const {
    return without_password(url_);
  }
  bool read_only() const {
    return read_only_;
  }
  void set_patience(const Patience& patience) {
    patience_ = patience;
  }
  /// Instead of the server's.
  std::optional<TimeUs> clock() const {
    return clock_ == nullptr ? std::nullopt : std::optional(clock_->now());
  }

  /// A connection that is its holder's alone; goes back when it is whole.
  class Lent {
   public:
    Lent(PostgresEngine& engine, std::unique_ptr<Connection> connection)
        : engine_(engine), connection_(std::move(connection)) {}
    ~Lent() {
      connection_->rollback();
      if (connection_->broken()) return;
      const std::lock_guard lock(engine_.idle_lock_);
      if (engine_.idle_.size() < kMostIdle) engine_.idle_.push_back(std::move(connection_));
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    PostgresEngine& engine_;
    std::unique_ptr<Connection> connection_;
  };

  /// Runs a transaction again while the server is away, or another one was in the way. What a broken
  /// connection left undone the server undoes.
  template <class Body>
  auto patiently(const Body& body) {
    // Before any mutex: a child may have inherited it locked.
    if (getpid() != owner_) {
      throw StorageError(fmt::format(
          "the store {}: it was opened by process {} and cannot be used across a fork. Open it anew", url(),
          owner_));
    }
    Wait wait(&patience_);
    for (auto pause = std::chrono::milliseconds(1);;
         pause = std::min(2 * pause, std::chrono::milliseconds(1000))) {
      try {
        Lent lent(*this, take());
        return body(lent);
      } catch (const PostgresError& e) {
        if (!e.transient()) throw;
        if (!wait.goes_on([&] { return std::string(e.what()); })) throw StoreAwayError(e.what());
      } catch (const PostgresLost& e) {
        {
          // They broke with it.
          const std::lock_guard lock(idle_lock_);
          idle_.clear();
        }
        if (!wait.goes_on([&] { return std::string(e.what()); })) throw;
      }
      std::this_thread::sleep_for(pause);
    }
  }

  static std::int64_t fresh_token() {
    thread_local std::random_device device;
    return static_cast<std::int64_t>(std::uniform_int_distribution<std::uint64_t>()(device) >> 1U);
  }

 private:
  std::unique_ptr<Connection> take() {
    {
      const std::lock_guard lock(idle_lock_);
      if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    return std::make_unique<Connection>(url_, read_only_);
  }

  /// Whether a transaction stands whose commit was sent, and answered by no one. Its event is asked for once
  /// its lock on the study is gone. (Its number would not do: a server that was killed hands out anew those
  /// that it had not yet written down.)
  bool wrote(std::int64_t event, std::int64_t token) {
    return patiently([&](Lent& lent) {
      lent->begin_writing();
      Query(*lent, "SELECT 1 FROM study WHERE id = ? FOR UPDATE", event >> kNumberBits).run();
      Query query(*lent, "SELECT token FROM event WHERE id = ?", event);
      const bool found = query.next() && query.integer(0) == token;
      lent->rollback();
      return found;
    });
  }

  static constexpr std::size_t kMostIdle = 16;

  std::string url_;
  bool read_only_;
  const Clock* clock_;
  pid_t owner_;
  Patience patience_;
  std::mutex idle_lock_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace krigon::detail
