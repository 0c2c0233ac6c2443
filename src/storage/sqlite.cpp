#include "storage/sqlite.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "storage/sqlite_file.hpp"
#include "storage/sqlite_rows.hpp"
#include "storage/sqlite_schema.hpp"
#include "storage/text.hpp"

namespace krigon::detail {
namespace {

using nlohmann::json;

#define KRIGON_STUDY_SELECT                                                     \
  "SELECT study.id, study.name, study.revision, study.created, revision.spec, " \
  "revision.fingerprint, " KRIGON_HEAD_COLUMNS                                  \
  " FROM study JOIN revision ON revision.study = study.id AND revision.number = study.revision "

StudySpec parse_spec(std::string_view text) {
  try {
    return spec_from_json(parse_text(text, "study"));
  } catch (const SpaceError& e) {
    throw StorageError(fmt::format("the stored search space cannot be read: {}", e.what()));
  }
}

StudyRecord read_study(const Query& query) {
  StudyRecord study;
  study.id = query.integer(0);
  study.name = query.text(1);
  study.revision = query.integer(2);
  study.created = query.integer(3);
  study.spec = parse_spec(query.text(4));
  if (!query.null(5)) study.fingerprint = parse_text(query.text(5), "fingerprint");
  study.head = read_head(query, 6);
  return study;
}

std::optional<std::string> fingerprint_text(const json& fingerprint) {
  return fingerprint.is_null() ? std::nullopt : std::optional(lenient_text(fingerprint));
}

class SqliteStorage final : public Storage {
 public:
  SqliteStorage(const std::string& path, bool create, bool read_only, const Clock& clock)
      : file_(path, create, read_only), clock_(clock) {}

  StudyRecord create_study(const StudySpec& spec, const json& fingerprint) override {
    check_spec(spec);
    const auto writer = file_.writer();
    Transaction transaction(*writer, Transaction::Kind::write);
    if (Query(*writer, "SELECT 1 FROM study WHERE name = ?", spec.name).next()) {
      throw ConflictError(fmt::format("there is already a study named \"{}\" in {}", spec.name, url()));
    }
    const auto now = clock_.now();
    Query(*writer, "INSERT INTO study(name, revision, created) VALUES(?, 1, ?)", spec.name, now).run();
    Query(*writer,
          "INSERT INTO revision(study, number, spec, fingerprint, created) "
          "VALUES(last_insert_rowid(), 1, ?, ?, ?)",
          to_json(spec).dump(), fingerprint_text(fingerprint), now)
        .run();
    auto study = *study_named(*writer, spec.name);
    transaction.commit();
    return study;
  }

  std::optional<StudyRecord> find_study(std::string_view name) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    return study_named(*reader, name);
  }

  std::vector<StudyRecord> studies() override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    Query query(*reader, KRIGON_STUDY_SELECT "ORDER BY study.name");
    std::vector<StudyRecord> result;
    while (query.next()) result.push_back(read_study(query));
    return result;
  }

  void delete_study(std::int64_t study) override {
    const auto writer = file_.writer();
    Transaction transaction(*writer, Transaction::Kind::write);
    head_of(*writer, study);
    const auto first = pack(study, 0), last = pack(study, kMaxNumber);
    Query(*writer, "DELETE FROM event WHERE id BETWEEN ? AND ?", first, last).run();
    Query(*writer, "DELETE FROM report WHERE trial BETWEEN ? AND ?", first, last).run();
    Query(*writer, "DELETE FROM decision WHERE trial BETWEEN ? AND ?", first, last).run();
    Query(*writer, "DELETE FROM attempt WHERE trial BETWEEN ? AND ?", first, last).run();
    Query(*writer, "DELETE FROM trial WHERE id BETWEEN ? AND ?", first, last).run();
    Query(*writer, "DELETE FROM trial_key WHERE study = ?", study).run();
    Query(*writer, "DELETE FROM revision WHERE study = ?", study).run();
    Query(*writer, "DELETE FROM study WHERE id = ?", study).run();
    transaction.commit();
  }

  void update_spec(std::int64_t study, const StudySpec& spec, const json& fingerprint) override {
    check_spec(spec);
    const auto writer = file_.writer();
    Transaction transaction(*writer, Transaction::Kind::write);
    Query row(*writer, "SELECT name, revision FROM study WHERE id = ?", study);
    if (!row.next()) throw_missing(study);
    if (row.text(0) != spec.name) {
      throw UsageError(
          fmt::format("study \"{}\" cannot be renamed to \"{}\": the name stays", row.text(0), spec.name));
    }
    const auto revision = row.integer(1) + 1;
    Query(*writer, "INSERT INTO revision(study, number, spec, fingerprint, created) VALUES(?, ?, ?, ?, ?)",
          study, revision, to_json(spec).dump(), fingerprint_text(fingerprint), clock_.now())
        .run();
    Query(*writer, "UPDATE study SET revision = ? WHERE id = ?", revision, study).run();
    transaction.commit();
  }

  StudySpec spec_at(std::int64_t study, std::int64_t revision) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    Query row(*reader, "SELECT name, revision FROM study WHERE id = ?", study);
    if (!row.next()) throw_missing(study);
    if (revision < 1 || revision > row.integer(1)) {
      throw NotFoundError(fmt::format("study \"{}\" has revisions 1 to {}, none with number {}", row.text(0),
                                      row.integer(1), revision));
    }
    return *spec_of(*reader, study, revision);
  }

  Applied apply(std::int64_t study, const Command& command) override {
    const auto writer = file_.writer();
    Transaction transaction(*writer, Transaction::Kind::write);
    const auto [head, revision] = head_of(*writer, study);
    SqliteRows rows(*writer, study, spec_of(*writer, study, revision), revision, head);
    auto result = transition(rows, command, clock_.now());
    if (const auto* refusal = std::get_if<Refusal>(&result)) throw_refusal(*refusal);
    auto& done = std::get<Transition>(result);
    const bool changed = !done.change.empty();
    if (changed) {
      rows.write(done.change);
      transaction.commit();
    }
    return {changed, done.change.head ? done.change.head->sequence : head.sequence, std::move(done.trial),
            std::move(done.attempt)};
  }

  StudyHead head(std::int64_t study) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    return head_of(*reader, study).first;
  }

  Delta changes_since(std::int64_t study, std::int64_t sequence) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    Delta delta;
    delta.head = head_of(*reader, study).first;
    delta.sequence = delta.head.sequence;
    sequence = std::max<std::int64_t>(sequence, 0);
    if (sequence >= delta.sequence) return delta;
    const auto first = pack(study, sequence + 1), last = pack(study, delta.sequence);
    {
      Query query(*reader,
                  "SELECT " KRIGON_TRIAL_COLUMNS
                  " FROM trial WHERE id IN (SELECT trial FROM event WHERE id BETWEEN ? AND ?) ORDER BY id",
                  first, last);
      while (query.next()) delta.trials.push_back(read_trial(query));
    }
    {
      // The events lead, in their order; CROSS JOIN keeps the planner from turning that around.
      Query query(*reader,
                  "SELECT report.trial, report.attempt, report.step, report.metric, report.value FROM event "
                  "CROSS JOIN report ON report.trial = event.trial AND report.attempt = event.attempt AND "
                  "report.step = event.step AND report.sequence = event.sequence "
                  "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL "
                  "ORDER BY event.id, report.metric",
                  first, last);
      while (query.next()) delta.reports.push_back(read_report(query));
    }
    Query query(*reader,
                "SELECT decision.trial, decision.attempt, decision.step, decision.verdict, decision.basis "
                "FROM event CROSS JOIN decision ON decision.trial = event.trial AND "
                "decision.sequence = event.sequence "
                "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL ORDER BY event.id",
                first, last);
    while (query.next()) delta.decisions.push_back(read_decision(query));
    return delta;
  }

  std::vector<TrialRecord> trials(std::int64_t study, const TrialQuery& query) override {
    if (query.state == TrialState::queued || query.state == TrialState::running) {
      // The state as a literal, for the index that holds only these.
      return list_trials(
          study, query,
          query.state == TrialState::queued
              ? "SELECT " KRIGON_TRIAL_COLUMNS
                " FROM trial WHERE study = ? AND state = 'queued' AND id >= ? ORDER BY id LIMIT ?"
              : "SELECT " KRIGON_TRIAL_COLUMNS
                " FROM trial WHERE study = ? AND state = 'running' AND id >= ? ORDER BY id LIMIT ?");
    }
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    std::vector<TrialRecord> result;
    const auto first = std::min(std::max<std::int64_t>(query.from, 0), kMaxNumber);
    const auto state = query.state ? std::optional(to_string(*query.state)) : std::nullopt;
    Query rows(*reader,
               "SELECT " KRIGON_TRIAL_COLUMNS
               " FROM trial WHERE id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR state = ?3) ORDER BY id LIMIT ?4",
               pack(study, first), pack(study, kMaxNumber), state, std::max<std::int64_t>(query.limit, 0));
    while (rows.next()) result.push_back(read_trial(rows));
    return result;
  }

  std::optional<TrialRecord> trial(std::int64_t study, std::int64_t number) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    if (number < 0 || number > kMaxNumber) return std::nullopt;
    Query query(*reader, "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial WHERE id = ?", pack(study, number));
    return query.next() ? std::optional(read_trial(query)) : std::nullopt;
  }

  std::vector<AttemptRecord> attempts(std::int64_t study, std::int64_t trial) override {
    return of_trial<AttemptRecord>(
        study, trial, "SELECT " KRIGON_ATTEMPT_COLUMNS " FROM attempt WHERE trial = ? ORDER BY number",
        read_attempt);
  }

  std::vector<AttemptRecord> running_attempts(std::int64_t study) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    Query query(*reader,
                "SELECT " KRIGON_ATTEMPT_COLUMNS
                " FROM trial CROSS JOIN attempt ON attempt.trial = trial.id AND "
                "attempt.number = trial.attempts WHERE trial.study = ? AND trial.state = 'running' "
                "ORDER BY trial.id",
                study);
    std::vector<AttemptRecord> result;
    while (query.next()) result.push_back(read_attempt(query));
    return result;
  }

  std::vector<ReportRecord> reports(std::int64_t study, std::int64_t trial) override {
    return of_trial<ReportRecord>(study, trial,
                                  "SELECT trial, attempt, step, metric, value FROM report WHERE trial = ? "
                                  "ORDER BY attempt, step, metric",
                                  read_report);
  }

  std::vector<DecisionRecord> decisions(std::int64_t study, std::int64_t trial) override {
    return of_trial<DecisionRecord>(study, trial,
                                    "SELECT trial, attempt, step, verdict, basis FROM decision "
                                    "WHERE trial = ? ORDER BY sequence",
                                    read_decision);
  }

  std::vector<EventRecord> events(std::int64_t study, std::int64_t after, std::int64_t limit) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    const auto first = std::min(std::max<std::int64_t>(after, 0), kMaxNumber);
    Query query(*reader,
                "SELECT id, time, kind, trial, attempt, detail FROM event WHERE id > ? AND id <= ? "
                "ORDER BY id LIMIT ?",
                pack(study, first), pack(study, kMaxNumber), std::max<std::int64_t>(limit, 0));
    std::vector<EventRecord> result;
    while (query.next()) result.push_back(read_event(query));
    return result;
  }

  std::optional<TrialRecord> next_queued(std::int64_t study) override {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    Query query(*reader,
                "SELECT " KRIGON_TRIAL_COLUMNS
                " FROM trial WHERE study = ? AND state = 'queued' ORDER BY front DESC, id LIMIT 1",
                study);
    return query.next() ? std::optional(read_trial(query)) : std::nullopt;
  }

  std::string url() const override { return "sqlite://" + file_.path(); }

 private:
  [[noreturn]] void throw_missing(std::int64_t study) const {
    throw NotFoundError(fmt::format("there is no study {} in {}", study, url()));
  }

  std::pair<StudyHead, std::int64_t> head_of(Connection& connection, std::int64_t study) const {
    Query query(connection, "SELECT revision, " KRIGON_HEAD_COLUMNS " FROM study WHERE id = ?", study);
    if (!query.next()) throw_missing(study);
    return {read_head(query, 1), query.integer(0)};
  }

  static std::optional<StudyRecord> study_named(Connection& connection, std::string_view name) {
    Query query(connection, KRIGON_STUDY_SELECT "WHERE study.name = ?", name);
    return query.next() ? std::optional(read_study(query)) : std::nullopt;
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

  std::vector<TrialRecord> list_trials(std::int64_t study, const TrialQuery& query, const char* sql) {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    const auto first = std::min(std::max<std::int64_t>(query.from, 0), kMaxNumber);
    Query rows(*reader, sql, study, pack(study, first), std::max<std::int64_t>(query.limit, 0));
    std::vector<TrialRecord> result;
    while (rows.next()) result.push_back(read_trial(rows));
    return result;
  }

  template <class Record>
  std::vector<Record> of_trial(std::int64_t study, std::int64_t trial, const char* sql,
                               Record (*read)(const Query&)) {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    head_of(*reader, study);
    std::vector<Record> result;
    if (trial < 0 || trial > kMaxNumber) return result;
    Query query(*reader, sql, pack(study, trial));
    while (query.next()) result.push_back(read(query));
    return result;
  }

  SqliteFile file_;
  const Clock& clock_;
  std::mutex specs_lock_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::shared_ptr<const StudySpec>> specs_;
};

}  // namespace

std::unique_ptr<Storage> open_sqlite(const std::string& path, bool create, bool read_only,
                                     const Clock& clock) {
  return std::make_unique<SqliteStorage>(path, create, read_only, clock);
}

}  // namespace krigon::detail
