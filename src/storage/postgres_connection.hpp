#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include "core/storage.hpp"
#include "krigon/error.hpp"
#include "storage/sql_bind.hpp"

/// As PostgreSQL reads it. Between two statements of a transaction lies next to nothing.
#define KRIGON_POSTGRES_LONGEST_SILENCE "'5s'"

/// What PostgresConnection::Backend tells of each of the server's processes, up to a WHERE.
#define KRIGON_POSTGRES_BACKEND \
  "SELECT pid::bigint, (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity"

struct pg_conn;
struct pg_result;

namespace krigon::detail {

/// PostgreSQL refused a statement; `state` is its five-letter SQLSTATE.
class PostgresError : public StorageError {
 public:
  PostgresError(const std::string& message, std::string state)
      : StorageError(message), state_(std::move(state)) {}
  /// Another transaction was in the way: the same again may pass.
  bool transient() const { return state_ == "40001" || state_ == "40P01"; }
  /// A row with that key is there already.
  bool duplicate() const { return state_ == "23505"; }

 private:
  std::string state_;
};

/// The server is not there, or no longer, or lets no one in.
class PostgresLost : public StoreAwayError {
 public:
  using StoreAwayError::StoreAwayError;
};

/// libpq's results and connections, freed with their owner.
struct PostgresFree {
  void operator()(pg_conn* connection) const noexcept;
  void operator()(pg_result* result) const noexcept;
};
using PostgresResult = std::unique_ptr<pg_result, PostgresFree>;

/// A connection to one database, used by one thread at a time. Statements go out in a pipeline: those whose
/// rows no one waits for travel with the next one whose rows are, so that a transaction costs as many round
/// trips as it has questions. What they failed with comes then, too.
class PostgresConnection {
 public:
  /// Values as they travel: binary, NULL where there is none.
  using Values = std::vector<std::optional<std::string>>;

  /// `url`: postgresql://... as libpq reads it, but for its `options`, which are Krigon's own. Throws
  /// PostgresLost where no server answers, or lets this user in.
  PostgresConnection(const std::string& url, bool read_only);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  /// Sends a statement whose rows no one wants. `sql` has ? for its values, and must be a literal: its
  /// address is the key of what is prepared.
  void send(const char* sql, const Values& values = {});
  /// Sends a statement and waits for it, and for all before it. Throws PostgresError for the first of them
  /// that failed, PostgresLost where the connection broke; as all that wait do.
  PostgresResult ask(const char* sql, const Values& values = {});
  struct Statement {
    const char* sql;
    Values values;
  };
  /// The same for several at once, each seeing what those before it did; their results in order.
  std::vector<PostgresResult> ask_all(const std::vector<Statement>& statements);
  /// Several statements without values, at once.
  void execute(const std::string& sql);

  /// Opens a transaction by this statement.
  void begin(const char* sql);
  /// Opens one that will take locks. Where this process says nothing for KRIGON_POSTGRES_LONGEST_SILENCE
  /// while it has them, being stopped or cut off, the server ends its connection and undoes the transaction.
  void begin_writing();
  /// Ends the transaction. False: the connection broke, and no one knows whether it stands.
  bool commit();
  /// Leaves an open transaction, if there is one. Never throws.
  void rollback() noexcept;
  /// The same, after one more statement in the same message; its rows.
  PostgresResult commit_after(const Statement& last);
  /// The event that the open transaction adds, 0 while it adds none.
  std::int64_t event() const { return event_; }
  void set_event(std::int64_t id) { event_ = id; }
  /// The server's process behind this connection: by its number and when it began it is known again, also
  /// from another connection. Asked for once.
  struct Backend {
    std::int64_t process = 0, began = 0;
  };
  const Backend& backend();
  /// Not usable any more.
  bool broken() const { return broken_; }
  /// For messages: without the password.
  const std::string& url() const { return shown_; }

 private:
  /// The name of what is prepared of it.
  const std::string& prepared(const char* sql);
  void enqueue(const char* sql, const Values& values, bool wanted);
  /// Waits for everything that was sent; the results that are wanted, in order.
  std::vector<PostgresResult> settle();
  [[noreturn]] void lose();
  [[noreturn]] void fail(const pg_result* result) const;

  std::string shown_;
  pid_t owner_;
  std::unique_ptr<pg_conn, PostgresFree> connection_;
  std::unordered_map<const char*, std::string> statements_;
  int named_ = 0;           ///< statements that were ever prepared
  std::vector<bool> sent_;  ///< whose results have not been read: whether they are wanted
  std::int64_t event_ = 0;
  std::optional<Backend> backend_;
  bool open_ = false;  ///< a transaction, as far as was sent
  bool broken_ = false;
};

/// A statement's values as bind_argument() hands them over.
class PostgresValues {
 public:
  void bind_null() { values.emplace_back(); }
  void bind_integer(std::int64_t value);
  void bind_real(double value);
  void bind_text(std::string_view value) { values.emplace_back(value); }

  PostgresConnection::Values values;
};

/// One use of a statement. Columns from 0.
class PostgresQuery {
 public:
  template <class... Arguments>
  PostgresQuery(PostgresConnection& connection, const char* sql, const Arguments&... arguments)
      : connection_(&connection), sql_(sql) {
    bound_.values.reserve(sizeof...(arguments));
    (bind_argument(bound_, arguments), ...);
  }

  /// What was asked already.
  explicit PostgresQuery(PostgresResult result) : result_(std::move(result)) {}

  /// Moves to the next row; false after the last.
  bool next();
  /// For statements whose rows no one wants.
  void run() { connection_->send(sql_, bound_.values); }

  int columns() const;
  bool null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  /// Valid as long as this. Empty for NULL.
  std::string_view text(int column) const;

  /// The statement itself, for ask_all().
  PostgresConnection::Statement statement() const { return {sql_, bound_.values}; }

 private:
  PostgresConnection* connection_ = nullptr;
  const char* sql_ = nullptr;
  PostgresValues bound_;
  PostgresResult result_;
  int row_ = -1;
};

}  // namespace krigon::detail
