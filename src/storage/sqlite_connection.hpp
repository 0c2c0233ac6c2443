#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sqlite3.h>
#include <sys/types.h>

#include "krigon/error.hpp"
#include "storage/patience.hpp"
#include "storage/sql_bind.hpp"

namespace krigon::detail {

/// SQLite refused; `code` is its extended result code. The message names file, cause and cure. What others
/// kept locked is a StoreAwayError.
class SqliteError : public StorageError {
 public:
  SqliteError(const std::string& message, int code) : StorageError(message), code_(code) {}
  int code() const { return code_; }
  /// The code without its extension, SQLITE_BUSY and the like.
  int primary_code() const { return code_ & 0xff; }

 private:
  int code_;
};

/// One connection to one file, used by one thread at a time. Waits for locks with jittered sleeps
/// that stay short: SQLite's own back-off grows until a waiter meets no gap between busy writers.
class Connection {
 public:
  enum class Mode { create, read_write, read_only, immutable };

  /// `path` is absolute. Throws SqliteError.
  Connection(std::string path, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& path() const { return path_; }

  /// Runs SQL of one or several statements, rows ignored.
  void execute(const char* sql);
  /// Tries again while another holds the file and SQLite will not wait by itself.
  void execute_patiently(const char* sql);
  /// Takes the write lock, waiting for it likewise.
  void begin_writing();
  /// A prepared statement, kept for the next call. `sql` must be a literal: its address is the key.
  sqlite3_stmt* prepared(const char* sql);

  /// Starts the clock of the patience anew.
  void renew_patience() { wait_ = Wait(patience_); }
  /// Must outlive the connection.
  void set_patience(const Patience* patience) { patience_ = patience; }
  /// Rows that were ever inserted, updated or deleted through this connection.
  std::int64_t changes() const { return sqlite3_total_changes64(db_); }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  /// Leaves an open transaction, if there is one. Never throws.
  void rollback() noexcept;

  [[noreturn]] void fail(int code) const;

 private:
  static int wait_for_lock(void* self, int tries);
  bool wait(int tries);
  /// Waits if `code` says that another holds the file. False: do not try again.
  bool wait_after(int code, int tries);
  void close() noexcept;

  std::string path_;
  sqlite3* db_ = nullptr;
  pid_t owner_;
  const Patience* patience_ = nullptr;
  Wait wait_;
  std::minstd_rand jitter_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

/// One use of a prepared statement: bound, stepped, reset at the end of its life. Columns from 0.
class Query {
 public:
  template <class... Arguments>
  Query(Connection& connection, const char* sql, const Arguments&... arguments)
      : connection_(connection), statement_(connection.prepared(sql)) {
    (bind_argument(*this, arguments), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// Moves to the next row; false after the last.
  bool next();
  /// For statements without rows.
  void run() {
    while (next()) {
    }
  }

  bool null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double real(int column) const { return sqlite3_column_double(statement_, column); }
  /// Valid until the next row. Empty for NULL.
  std::string_view text(int column) const;

 private:
  void check(int code) {
    if (code != SQLITE_OK) connection_.fail(code);
  }
  template <class Query, class T>
  friend void bind_argument(Query& query, const T& value);
  void bind_null() { ++bound_; }  // unbound is NULL
  void bind_integer(std::int64_t value) { check(sqlite3_bind_int64(statement_, ++bound_, value)); }
  void bind_real(double value) { check(sqlite3_bind_double(statement_, ++bound_, value)); }
  void bind_text(std::string_view value);

  Connection& connection_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

/// A transaction, rolled back unless committed.
class Transaction {
 public:
  /// A reader sees one state of the file throughout and blocks no one. A writer holds the file's one
  /// write lock from the start: one that reads first and locks later is refused at once when another
  /// wrote in between, however long it may wait.
  enum class Kind { read, write };

  Transaction(Connection& connection, Kind kind);
  ~Transaction() { connection_.rollback(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// When it has returned, the changes are on the disk.
  void commit();

 private:
  Connection& connection_;
};

}  // namespace krigon::detail
