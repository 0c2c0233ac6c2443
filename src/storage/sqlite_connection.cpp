#include "storage/sqlite_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace krigon::detail {
namespace {

/// What happened and what to do about it, in words.
std::string explain(int code, const std::string& path) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "there is no room left on its disk. Free some and go on: what was recorded before stands";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "it cannot be written. Check the permissions of the file and its folder, and that the file "
             "system is not mounted read-only";
    case SQLITE_CANTOPEN:
      return "it cannot be opened. Check that its folder exists and that file and folder can be read and "
             "written";
    case SQLITE_NOTADB:
      return "it is not an SQLite database. Name another file, or move this one away";
    case SQLITE_CORRUPT:
      return fmt::format(
          "it is damaged. Go back to a copy, or save what can be read: sqlite3 {} .recover | sqlite3 NEW",
          path);
    case SQLITE_IOERR:
      return "reading or writing it failed. Check its disk and the process's file size limit; what was "
             "recorded before stands";
    case SQLITE_NOMEM:
      return "memory ran out";
    default:
      return "SQLite refused";
  }
}

bool locked(int code) {
  const int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL;
}

std::string explain_lock(const std::string& path, std::chrono::milliseconds waited) {
  return fmt::format(
      "other processes have kept it locked for {:.0f} s. See who holds it (fuser {}) and try again; what was "
      "recorded before stands",
      std::chrono::duration<double>(waited).count(), path);
}

/// The system's error behind SQLite's, 0 where it has none of its own or it is not known. `system`: the one
/// that SQLite noted last.
int cause(int primary, int system, const std::string& path) {
  if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN) return 0;
  // Of what cannot be made or written SQLite looks next whether it is there to be read, and notes that. (That
  // the file itself is missing is found before it is opened.)
  if (system != ENOENT) return system;
  const auto slash = path.rfind('/');
  for (const std::string& place : {path, slash == std::string::npos ? "." : path.substr(0, slash + 1)}) {
    if (access(place.c_str(), W_OK) != 0 && errno != ENOENT) return errno;
  }
  return 0;
}

int open_flags(Connection::Mode mode) {
  constexpr int kCommon = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case Connection::Mode::create:
      return kCommon | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    case Connection::Mode::read_write:
      return kCommon | SQLITE_OPEN_READWRITE;
    case Connection::Mode::read_only:
      return kCommon | SQLITE_OPEN_READONLY;
    case Connection::Mode::immutable:
      break;
  }
  return kCommon | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
}

/// A file: URL; what URLs give a meaning to is escaped.
std::string immutable_url(const std::string& path) {
  std::string url = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      url += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      url += c;
    }
  }
  return url + "?immutable=1";
}

}  // namespace

Connection::Connection(std::string path, Mode mode)
    : path_(std::move(path)), owner_(getpid()), jitter_(std::random_device{}()) {
  const std::string name = mode == Mode::immutable ? immutable_url(path_) : path_;
  const int code = sqlite3_open_v2(name.c_str(), &db_, open_flags(mode), nullptr);
  try {
    if (code != SQLITE_OK) fail(code);
    sqlite3_busy_handler(db_, &Connection::wait_for_lock, this);
    // FULL: in WAL mode NORMAL would lose the last commits with the power.
    execute_patiently("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL");
  } catch (...) {
    close();
    throw;
  }
}

Connection::~Connection() {
  // In a forked child closing would checkpoint and unlink files under the parent's feet.
  if (getpid() == owner_) close();
}

void Connection::close() noexcept {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  sqlite3_close_v2(db_);
  db_ = nullptr;
}

int Connection::wait_for_lock(void* self, int tries) {
  return static_cast<Connection*>(self)->wait(tries) ? 1 : 0;
}

bool Connection::wait(int tries) {
  const auto why = [&] {
    return fmt::format("the store {}: {}", path_, explain_lock(path_, wait_.waited()));
  };
  if (!wait_.goes_on(why)) return false;
  // From 50 us up to 3 ms, each half to one and a half times that.
  const double mean = std::min(50.0 * std::pow(1.3, std::min(tries, 16)), 3000.0);
  std::uniform_real_distribution<double> spread(0.5, 1.5);
  std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(mean * spread(jitter_)));
  return true;
}

void Connection::fail(int code) const {
  std::string detail = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
  if (locked(code)) {
    throw StoreAwayError(fmt::format("the store {}: {} (SQLite: {}, code {})", path_,
                                     explain_lock(path_, wait_.waited()), detail, code));
  }
  const int system = db_ ? cause(code & 0xff, sqlite3_system_errno(db_), path_) : 0;
  if (system != 0) detail += fmt::format("; {}", std::strerror(system));
  throw SqliteError(
      fmt::format("the store {}: {} (SQLite: {}, code {})", path_, explain(code, path_), detail, code), code);
}

void Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

void Connection::execute_patiently(const char* sql) {
  for (int tries = 0;; ++tries) {
    const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    if (!wait_after(code, tries)) fail(code);
  }
}

void Connection::begin_writing() {
  auto* const statement = prepared("BEGIN IMMEDIATE");
  for (int tries = 0;; ++tries) {
    sqlite3_step(statement);
    const int code = sqlite3_reset(statement);
    if (code == SQLITE_OK) return;
    if (!wait_after(code, tries)) fail(code);
  }
}

bool Connection::wait_after(int code, int tries) {
  const int primary = code & 0xff;
  return (primary == SQLITE_BUSY || primary == SQLITE_PROTOCOL) && wait(tries);
}

sqlite3_stmt* Connection::prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) {
    const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code);
  }
  return statement;
}

void Connection::rollback() noexcept {
  if (getpid() != owner_ || !in_transaction()) return;
  try {
    // Each reader's transaction ends so.
    auto* const statement = prepared("ROLLBACK");
    sqlite3_step(statement);
    sqlite3_reset(statement);
  } catch (...) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Query::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) connection_.fail(code);
  return false;
}

void Query::bind_text(std::string_view value) {
  // An empty view may have no address, which SQLite would take for NULL.
  const char* data = value.data() ? value.data() : "";
  check(sqlite3_bind_text64(statement_, ++bound_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

std::string_view Query::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!data) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Transaction::Transaction(Connection& connection, Kind kind) : connection_(connection) {
  connection.renew_patience();
  if (kind == Kind::write) {
    connection.begin_writing();
  } else {
    Query(connection, "BEGIN").run();
  }
}

void Transaction::commit() {
  Query(connection_, "COMMIT").run();
}

}  // namespace krigon::detail
