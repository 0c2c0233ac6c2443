#include "storage/sqlite.hpp"

#include <utility>

#include "storage/sql_storage.hpp"
#include "storage/sqlite_file.hpp"
#include "storage/sqlite_trials.hpp"

namespace krigon::detail {
namespace {

class SqliteEngine {
 public:
  using Connection = detail::Connection;
  using Query = detail::Query;
  using Trials = SqliteTrials;

  // The events lead, in their order; CROSS JOIN keeps the planner from turning that around.
  static constexpr const char* kReportsSince =
      "SELECT report.trial, report.attempt, report.step, report.metric, report.value FROM event "
      "CROSS JOIN report ON report.trial = event.trial AND report.attempt = event.attempt AND "
      "report.step = event.step AND report.sequence = event.sequence "
      "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL ORDER BY event.id, report.metric";
  static constexpr const char* kDecisionsSince =
      "SELECT decision.trial, decision.attempt, decision.step, decision.verdict, decision.basis FROM event "
      "CROSS JOIN decision ON decision.trial = event.trial AND decision.sequence = event.sequence "
      "WHERE event.id BETWEEN ? AND ? AND event.step IS NOT NULL ORDER BY event.id";
  static constexpr const char* kAttempts = SqliteTrials::kAttempts;
  static constexpr const char* kRunningAttempts = SqliteTrials::kRunning;
  static constexpr const char* kHead =
      "SELECT revision, " KRIGON_HEAD_COLUMNS " FROM study_head AS study WHERE id = ?";
  static constexpr const char* kStudies = KRIGON_STUDY_SELECT("study_head AS study") "ORDER BY study.name";
  static constexpr const char* kStudyNamed =
      KRIGON_STUDY_SELECT("study_head AS study") "WHERE study.name = ?";

  static void write_head(Connection& connection, std::int64_t study, const Change& change,
                         const StudyHead& before) {
    if (!change.head) return;
    const auto& h = *change.head;
    if (change.event) {
      const auto& e = *change.event;
      Query(connection,
            "INSERT INTO event(id, time, kind, trial, attempt, step, detail, next_trial, fence, queued, "
            "running, completed, stopped, failed, cancelled, paused, best_trial, best_value) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            pack(study, e.sequence), e.time, e.kind, trial_id(study, e), e.attempt, step_of(change),
            nullable_text(e.detail), h.next_trial, h.fence, h.queued, h.running, h.completed, h.stopped,
            h.failed, h.cancelled, h.paused, h.best_trial, h.best_value)
          .run();
    }
    if (h.running_time == before.running_time && h.suggester == before.suggester &&
        h.suggester_fence == before.suggester_fence && h.suggester_until == before.suggester_until) {
      return;
    }
    Query(connection,
          "UPDATE study SET running_time = ?, suggester = ?, suggester_fence = ?, suggester_until = ? "
          "WHERE id = ?",
          h.running_time, h.suggester, h.suggester_fence, h.suggester_until, study)
        .run();
  }

  SqliteEngine(const std::string& path, bool create, bool read_only, const Clock& clock)
      : file_(path, create, read_only), clock_(clock) {}

  template <class Body>
  auto read(const Body& body) {
    const auto reader = file_.reader();
    Transaction transaction(*reader, Transaction::Kind::read);
    return body(*reader);
  }

  template <class Body>
  auto write(const Body& body) {
    const auto writer = file_.writer();
    Transaction transaction(*writer, Transaction::Kind::write);
    const auto changes = writer->changes();
    auto result = body(*writer);
    // Durable is what was changed: a command that repeats what stands costs no flush.
    if (writer->changes() != changes) transaction.commit();
    return result;
  }

  /// A writer has the file to itself.
  std::optional<WritableHead> lock(Connection& connection, std::int64_t study, std::int64_t) const {
    Query query(connection, kHead, study);
    if (!query.next()) return std::nullopt;
    return WritableHead{read_head(query, 1), query.integer(0), clock_.now(), {}, {}};
  }

  TimeUs now(Connection&) const { return clock_.now(); }
  std::string url() const { return "sqlite://" + file_.path(); }
  void set_patience(const Patience& patience) { file_.set_patience(patience); }

 private:
  SqliteFile file_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Storage> open_sqlite(const std::string& path, bool create, bool read_only,
                                     const Clock& clock) {
  return std::make_unique<SqlStorage<SqliteEngine>>(path, create, read_only, clock);
}

}  // namespace krigon::detail
