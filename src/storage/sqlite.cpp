#include "storage/sqlite.hpp"

#include <utility>

#include "storage/sql_storage.hpp"
#include "storage/sqlite_file.hpp"

namespace krigon::detail {
namespace {

class SqliteEngine {
 public:
  using Connection = detail::Connection;
  using Query = detail::Query;

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
  static constexpr const char* kRunningAttempts =
      "SELECT " KRIGON_ATTEMPT_COLUMNS
      " FROM trial CROSS JOIN attempt ON attempt.trial = trial.id AND attempt.number = trial.attempts "
      "WHERE trial.study = ? AND trial.state = 'running' ORDER BY trial.id";

  static constexpr const char* kInsertEvent =
      "INSERT INTO event(id, time, kind, trial, attempt, step, detail) VALUES(?, ?, ?, ?, ?, ?, ?)";
  static void event_written(Connection&, std::int64_t) {}

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
    Query query(connection, "SELECT revision, " KRIGON_HEAD_COLUMNS " FROM study WHERE id = ?", study);
    if (!query.next()) return std::nullopt;
    return WritableHead{read_head(query, 1), query.integer(0), clock_.now(), {}, {}};
  }

  TimeUs now(Connection&) const { return clock_.now(); }
  std::string url() const { return "sqlite://" + file_.path(); }

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
