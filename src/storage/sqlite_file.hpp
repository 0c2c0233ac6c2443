#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/sqlite_connection.hpp"

namespace krigon::detail {

/// A store's file, opened and of the newest schema: one connection for all writers of this process,
/// who take turns, and as many for readers as read at once. Thread-safe.
class SqliteFile {
 public:
  /// Errors as open_storage().
  SqliteFile(const std::string& path, bool create, bool read_only);

  /// The writing connection, its caller's alone while this lives.
  class Writer {
   public:
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_; }

   private:
    friend class SqliteFile;
    Writer(std::unique_lock<std::mutex> lock, Connection& connection)
        : lock_(std::move(lock)), connection_(&connection) {}
    std::unique_lock<std::mutex> lock_;
    Connection* connection_;
  };

  /// A reading connection, its caller's alone while this lives.
  class Reader {
   public:
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Connection& operator*() const { return *connection_; }

   private:
    friend class SqliteFile;
    Reader(SqliteFile& file, std::unique_ptr<Connection> connection)
        : file_(file), connection_(std::move(connection)) {}
    SqliteFile& file_;
    std::unique_ptr<Connection> connection_;
  };

  /// Both throw StorageError in a child of the process that opened the file; writer() also where it
  /// was opened read-only.
  Writer writer();
  Reader reader();
  const std::string& path() const { return path_; }
  /// As Storage::set_patience().
  void set_patience(const Patience& patience) { patience_ = patience; }

 private:
  void open_for_reading();
  void open_for_writing(bool create);
  void check_process() const;

  std::string path_;
  pid_t owner_;
  Connection::Mode reading_ = Connection::Mode::read_write;
  Patience patience_;  ///< of all connections
  std::mutex write_lock_;
  std::unique_ptr<Connection> writer_;  ///< null: read-only
  std::mutex idle_lock_;
  std::vector<std::unique_ptr<Connection>> idle_;  ///< readers' connections that no one uses now
};

}  // namespace krigon::detail
