#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/storage.hpp"
#include "krigon/error.hpp"
#include "storage/beat.hpp"
#include "storage/sql_delta.hpp"
#include "storage/sql_rows.hpp"
#include "storage/sql_study.hpp"

namespace krigon::detail {

/// The trial that a command names or means, -1 for those that name none.
inline std::int64_t trial_of(const Command& command) {
  if (std::holds_alternative<LeaseNext>(command)) return kNextInQueue;
  return std::visit(
      [](const auto& c) -> std::int64_t {
        if constexpr (requires { c.trial; }) {
          return c.trial;
        } else {
          return -1;
        }
      },
      command);
}

/// The contract over tables of SQL. An engine is:
///
///   Connection, Query   as in sql_rows.hpp
///   read(body)          returns body(connection) of one transaction, which sees one state of the store
///   write(body)         the same, to change it: committed, and durable, unless body throws. Both may call
///   their
///                       body again where it failed through no fault of its own
///   lock(connection, study, trial)
///                       the head of a study, which no one else changes until the transaction's end; nullopt
///                       where there is none. May read the trial (-1: none, kNextInQueue) on the way
///   now(connection), url(), set_patience(patience)
///   kHead, kStudies, kStudyNamed
///                       the revision and the head of a study; all studies, or the named one
///   kReportsSince, kDecisionsSince, kAttempts, kRunningAttempts
///                       statements whose joins each engine plans in its own way
///   Trials, write_head  as in sql_rows.hpp
template <class Engine>
class SqlStorage : public Storage {
 public:
  using Connection = typename Engine::Connection;
  using Query = typename Engine::Query;

  template <class... Arguments>
  explicit SqlStorage(Arguments&&... arguments) : engine_(std::forward<Arguments>(arguments)...) {}

  StudyRecord create_study(const StudySpec& spec, const nlohmann::json& fingerprint) override {
    check_spec(spec);
    const auto text = to_json(spec).dump();
    const auto print = fingerprint_text(fingerprint);
    // A change whose answer was lost is made again: a study of that very moment is the one made before.
    std::vector<TimeUs> moments;
    return engine_.write([&](Connection& connection) {
      const auto now = engine_.now(connection);
      std::optional<std::int64_t> id;
      {
        Query made(connection,
                   "INSERT INTO study(name, revision, created) VALUES(?, 1, ?) "
                   "ON CONFLICT(name) DO NOTHING RETURNING id",
                   spec.name, now);
        while (made.next()) id = made.integer(0);
      }
      if (!id) {
        auto stands = study_named(connection, spec.name);
        if (stands && std::count(moments.begin(), moments.end(), stands->created) > 0) return *stands;
        throw ConflictError(fmt::format("there is already a study named \"{}\" in {}", spec.name, url()));
      }
      Query(connection,
            "INSERT INTO revision(study, number, spec, fingerprint, created) VALUES(?, 1, ?, ?, ?)", *id,
            text, print, now)
          .run();
      moments.push_back(now);
      return *study_named(connection, spec.name);
    });
  }

  std::optional<StudyRecord> find_study(std::string_view name) override {
    return engine_.read([&](Connection& connection) { return study_named(connection, name); });
  }

  std::vector<StudyRecord> studies() override {
    return engine_.read([&](Connection& connection) {
      Query query(connection, Engine::kStudies);
      return all_rows(query, read_study<Query>);
    });
  }

  void delete_study(std::int64_t study) override {
    bool deleted = false;  // and the answer lost
    engine_.write([&](Connection& connection) {
      if (!engine_.lock(connection, study, -1)) {
        if (deleted) return true;
        throw_missing(study);
      }
      const auto first = pack(study, 0), last = pack(study, kMaxNumber);
      Query(connection, "DELETE FROM event WHERE id BETWEEN ? AND ?", first, last).run();
      Query(connection, "DELETE FROM report WHERE trial BETWEEN ? AND ?", first, last).run();
      Query(connection, "DELETE FROM decision WHERE trial BETWEEN ? AND ?", first, last).run();
      Query(connection, "DELETE FROM attempt WHERE trial BETWEEN ? AND ?", first, last).run();
      Query(connection, "DELETE FROM trial WHERE id BETWEEN ? AND ?", first, last).run();
      Query(connection, "DELETE FROM trial_key WHERE study = ?", study).run();
      Query(connection, "DELETE FROM worker WHERE study = ?", study).run();
      Query(connection, "DELETE FROM revision WHERE study = ?", study).run();
      Query(connection, "DELETE FROM study WHERE id = ?", study).run();
      deleted = true;
      return true;
    });
  }

  void update_spec(std::int64_t study, const StudySpec& spec, const nlohmann::json& fingerprint) override {
    check_spec(spec);
    engine_.write([&](Connection& connection) {
      const auto head = engine_.lock(connection, study, -1);
      if (!head) throw_missing(study);
      if (const auto name = name_of(connection, study); name != spec.name) {
        throw UsageError(
            fmt::format("study \"{}\" cannot be renamed to \"{}\": the name stays", name, spec.name));
      }
      const auto revision = head->revision + 1;
      Query(connection,
            "INSERT INTO revision(study, number, spec, fingerprint, created) VALUES(?, ?, ?, ?, ?)", study,
            revision, to_json(spec).dump(), fingerprint_text(fingerprint), head->now)
          .run();
      Query(connection, "UPDATE study SET revision = ? WHERE id = ?", revision, study).run();
      return true;
    });
  }

  StudySpec spec_at(std::int64_t study, std::int64_t revision) override {
    return engine_.read([&](Connection& connection) {
      const auto newest = head_of(connection, study).second;
      if (revision < 1 || revision > newest) {
        throw NotFoundError(fmt::format("study \"{}\" has revisions 1 to {}, none with number {}",
                                        name_of(connection, study), newest, revision));
      }
      return *spec_of(connection, study, revision);
    });
  }

  Applied apply(std::int64_t study, const Command& command) override {
    return engine_.write([&](Connection& connection) -> Applied {
      const auto locked = engine_.lock(connection, study, trial_of(command));
      if (!locked) throw_missing(study);
      SqlRows<Engine> rows(connection, study, spec_of(connection, study, locked->revision), *locked);
      auto result = transition(rows, command, locked->now);
      if (const auto* refusal = std::get_if<Refusal>(&result)) throw_refusal(*refusal);
      auto& done = std::get<Transition>(result);
      rows.write(done.change);
      StudyHead head = done.change.head ? *done.change.head : locked->head;
      return {!done.change.empty(), head.sequence, std::move(head), std::move(done.trial),
              std::move(done.attempt)};
    });
  }

  StudyHead head(std::int64_t study) override {
    return engine_.read([&](Connection& connection) { return head_of(connection, study).first; });
  }

  Delta window(std::int64_t study, std::int64_t from, std::int64_t best) override {
    return engine_.read([&](Connection& connection) {
      return read_window<Engine>(connection, study, head_of(connection, study).first, from, best);
    });
  }

  using Storage::changes_since;
  Delta changes_since(std::int64_t study, std::int64_t sequence, std::int64_t limit) override {
    return engine_.read([&](Connection& connection) {
      return read_changes<Engine>(connection, study, head_of(connection, study).first, sequence, limit);
    });
  }

  std::vector<TrialRecord> trials(std::int64_t study, const TrialQuery& wanted) override {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      const auto first = pack(study, std::min(std::max<std::int64_t>(wanted.from, 0), kMaxNumber));
      const auto limit = std::max<std::int64_t>(wanted.limit, 0);
      if (wanted.state && !ended(*wanted.state)) {
        Query query(connection,
                    wanted.state == TrialState::queued    ? kTrialsQueued
                    : wanted.state == TrialState::running ? kTrialsRunning
                                                          : kTrialsPaused,
                    study, first, limit);
        return all_rows(query, read_trial<Query>);
      }
      const auto state = wanted.state ? std::optional(to_string(*wanted.state)) : std::nullopt;
      Query query(connection,
                  "SELECT " KRIGON_TRIAL_COLUMNS
                  " FROM trial WHERE id BETWEEN ? AND ? AND state = coalesce(?, state) ORDER BY id LIMIT ?",
                  first, pack(study, kMaxNumber), state, limit);
      return all_rows(query, read_trial<Query>);
    });
  }

  std::optional<TrialRecord> trial(std::int64_t study, std::int64_t number) override {
    return engine_.read([&](Connection& connection) -> std::optional<TrialRecord> {
      head_of(connection, study);
      if (number < 0 || number > kMaxNumber) return std::nullopt;
      Query query(connection, "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial WHERE id = ?", pack(study, number));
      return query.next() ? std::optional(read_trial(query)) : std::nullopt;
    });
  }

  std::optional<std::int64_t> trial_by_key(std::int64_t study, std::string_view key) override {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      Query query(connection, "SELECT number FROM trial_key WHERE study = ? AND key = ?", study, key);
      return query.next() ? std::optional(query.integer(0)) : std::nullopt;
    });
  }

  std::vector<AttemptRecord> attempts(std::int64_t study, std::int64_t trial) override {
    return of_trial<AttemptRecord>(study, trial, Engine::kAttempts,
                                   [](const Query& query) { return read_attempt(query); });
  }

  std::vector<AttemptRecord> running_attempts(std::int64_t study) override {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      Query query(connection, Engine::kRunningAttempts, study);
      return all_rows<Query, AttemptRecord>(query, [](const Query& row) { return read_attempt(row); });
    });
  }

  std::vector<ReportRecord> reports(std::int64_t study, std::int64_t trial) override {
    return of_trial(study, trial,
                    "SELECT trial, attempt, step, metric, value FROM report WHERE trial = ? "
                    "ORDER BY attempt, step, metric",
                    read_report<Query>);
  }

  std::vector<DecisionRecord> decisions(std::int64_t study, std::int64_t trial) override {
    return of_trial(study, trial,
                    "SELECT trial, attempt, step, verdict, basis FROM decision WHERE trial = ? "
                    "ORDER BY sequence",
                    read_decision<Query>);
  }

  std::vector<EventRecord> events(std::int64_t study, std::int64_t after, std::int64_t limit) override {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      const auto first = std::min(std::max<std::int64_t>(after, 0), kMaxNumber);
      Query query(connection,
                  "SELECT id, time, kind, trial, attempt, detail FROM event WHERE id > ? AND id <= ? "
                  "ORDER BY id LIMIT ?",
                  pack(study, first), pack(study, kMaxNumber), std::max<std::int64_t>(limit, 0));
      return all_rows(query, read_event<Query>);
    });
  }

  TimeUs now() override {
    return engine_.read([&](Connection& connection) { return engine_.now(connection); });
  }

  void heartbeat(std::int64_t study, const WorkerRecord& worker, TimeUs lease) override {
    check_lease(lease);
    engine_.write([&](Connection& connection) {
      head_of(connection, study);
      if (lease == 0) {
        Query(connection, "DELETE FROM worker WHERE study = ? AND name = ?", study, worker.name).run();
        return true;
      }
      const auto now = engine_.now(connection);
      Query(connection,
            "INSERT INTO worker(study, name, host, slots, running, waiting, started, lease_until) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(study, name) DO UPDATE SET slots = excluded.slots, "
            "running = excluded.running, waiting = excluded.waiting, lease_until = excluded.lease_until",
            study, worker.name, worker.host, worker.slots, worker.running, worker.waiting, now, now + lease)
          .run();
      // Those that were killed a day ago will not come back by this name.
      Query(connection, "DELETE FROM worker WHERE study = ? AND (lease_until < ? OR lease_until > ?)", study,
            now - kForgotten, now + kLeasesAhead * lease)
          .run();
      return true;
    });
  }

  std::vector<WorkerRecord> workers(std::int64_t study) override {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      const auto now = engine_.now(connection);
      Query query(connection,
                  "SELECT name, host, slots, running, waiting, started, lease_until FROM worker "
                  "WHERE study = ? AND lease_until > ? AND lease_until <= ? ORDER BY name",
                  study, now, now + kLongestLease);
      return all_rows(query, read_worker<Query>);
    });
  }

  void set_patience(const Patience& patience) override { engine_.set_patience(patience); }
  std::string url() const override { return engine_.url(); }

 protected:
  [[noreturn]] void throw_missing(std::int64_t study) const {
    throw NotFoundError(fmt::format("there is no study {} in {}", study, url()));
  }

  std::pair<StudyHead, std::int64_t> head_of(Connection& connection, std::int64_t study) const {
    Query query(connection, Engine::kHead, study);
    if (!query.next()) throw_missing(study);
    return {read_head(query, 1), query.integer(0)};
  }

  /// Parsed once: a revision never changes, and a study's number is never used again.
  std::shared_ptr<const StudySpec> spec_of(Connection& connection, std::int64_t study,
                                           std::int64_t revision) {
    const std::pair key{study, revision};
    {
      const std::lock_guard lock(specs_lock_);
      if (const auto found = specs_.find(key); found != specs_.end()) return found->second;
    }
    Query query(connection, "SELECT spec FROM revision WHERE study = ? AND number = ?", study, revision);
    if (!query.next()) {
      throw StorageError(
          fmt::format("the store {} has lost revision {} of study {}", url(), revision, study));
    }
    auto spec = std::make_shared<const StudySpec>(parse_spec(query.text(0)));
    const std::lock_guard lock(specs_lock_);
    return specs_.emplace(key, std::move(spec)).first->second;
  }

  Engine engine_;

 private:
  static constexpr TimeUs kForgotten = 24 * 3600 * kSecond;

  std::string name_of(Connection& connection, std::int64_t study) const {
    Query query(connection, "SELECT name FROM study WHERE id = ?", study);
    if (!query.next()) throw_missing(study);
    return std::string(query.text(0));
  }

  static std::optional<StudyRecord> study_named(Connection& connection, std::string_view name) {
    Query query(connection, Engine::kStudyNamed, name);
    return query.next() ? std::optional(read_study(query)) : std::nullopt;
  }

  template <class Record>
  std::vector<Record> of_trial(std::int64_t study, std::int64_t trial, const char* sql,
                               Record (*read)(const Query&)) {
    return engine_.read([&](Connection& connection) {
      head_of(connection, study);
      if (trial < 0 || trial > kMaxNumber) return std::vector<Record>{};
      Query query(connection, sql, pack(study, trial));
      return all_rows(query, read);
    });
  }

  std::mutex specs_lock_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::shared_ptr<const StudySpec>> specs_;
};

}  // namespace krigon::detail
