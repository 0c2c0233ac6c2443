#include "storage/sqlite_file.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "storage/place.hpp"
#include "storage/sqlite_schema.hpp"

namespace krigon::detail {
namespace {

namespace fs = std::filesystem;

/// Write-ahead logging: readers and the writer do not wait for each other.
void use_wal(Connection& connection) {
  connection.renew_patience();
  connection.execute_patiently("PRAGMA journal_mode = WAL");
  Query query(connection, "PRAGMA journal_mode");
  if (!query.next() || query.text(0) != "wal") {
    throw StorageError(fmt::format(
        "the store {}: its file system does not support SQLite's write-ahead log (shared memory between "
        "processes). Name a file on a local disk",
        connection.path()));
  }
}

}  // namespace

SqliteFile::SqliteFile(const std::string& path, bool create, bool read_only)
    : path_(check_place(path).string()), owner_(getpid()) {
  std::error_code error;
  if ((read_only || !create) && !fs::exists(path_, error)) {
    throw StorageError(fmt::format("the store {}: there is no such file. Check the path{}", path_,
                                   read_only ? "" : ", or create a study there first"));
  }
  if (read_only) {
    open_for_reading();
  } else {
    open_for_writing(create);
  }
}

void SqliteFile::open_for_writing(bool create) {
  writer_ =
      std::make_unique<Connection>(path_, create ? Connection::Mode::create : Connection::Mode::read_write);
  // Before anything is changed: it may be another program's file.
  const auto version = schema_version(*writer_, migrations().size());
  if (version == 0 && !create) check_version(*writer_, migrations());
  writer_->set_patience(&patience_);
  use_wal(*writer_);
  migrate(*writer_, migrations());
}

void SqliteFile::open_for_reading() {
  reading_ = Connection::Mode::read_only;
  try {
    idle_.push_back(std::make_unique<Connection>(path_, reading_));
    idle_.back()->set_patience(&patience_);
    check_version(*idle_.back(), migrations());
    return;
  } catch (const SqliteError& e) {
    // Reading, too, needs the log's side files, which a folder that cannot be written may lack.
    const int code = e.primary_code();
    if ((code != SQLITE_CANTOPEN && code != SQLITE_READONLY) || access(path_.c_str(), R_OK) != 0) throw;
  }
  idle_.clear();
  std::error_code error;
  const auto log = path_ + "-wal";
  if (fs::exists(log, error) && fs::file_size(log, error) > 0) {
    throw StorageError(fmt::format(
        "the store {}: its newest changes are still in {}, and its folder cannot be written to merge them. "
        "Copy both files to a folder that can be written and open it there",
        path_, log));
  }
  reading_ = Connection::Mode::immutable;
  idle_.push_back(std::make_unique<Connection>(path_, reading_));
  check_version(*idle_.back(), migrations());
}

void SqliteFile::check_process() const {
  // Before any mutex: the child may have inherited it locked.
  if (getpid() == owner_) return;
  throw StorageError(
      fmt::format("the store {}: it was opened by process {} and cannot be used across a fork. Open it anew",
                  path_, owner_));
}

SqliteFile::Writer SqliteFile::writer() {
  check_process();
  if (!writer_) {
    throw StorageError(fmt::format("the store {}: it was opened read-only and cannot be changed", path_));
  }
  return {std::unique_lock(write_lock_), *writer_};
}

SqliteFile::Reader SqliteFile::reader() {
  check_process();
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(idle_lock_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!connection) {
    connection = std::make_unique<Connection>(path_, reading_);
    connection->set_patience(&patience_);
  }
  return {*this, std::move(connection)};
}

SqliteFile::Reader::~Reader() {
  const std::lock_guard lock(file_.idle_lock_);
  file_.idle_.push_back(std::move(connection_));
}

}  // namespace krigon::detail
