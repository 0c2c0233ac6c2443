#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/storage.hpp"

namespace krigon {

/// How open_storage() opens a store.
struct StorageOptions {
  bool create = true;      ///< make the store where there is none; false: StorageError then
  bool read_only = false;  ///< nothing is written or created, and every change throws StorageError
  /// Where times come from; null: the system's clock, and of PostgreSQL the server's, which rules for all
  /// machines. Must outlive the store.
  const Clock* clock = nullptr;
};

/// Opens the store that a URL names:
///
///   memory:                 in this process, gone with it; each open makes a new one
///   sqlite:///abs/path      the file /abs/path (sqlite:/abs/path likewise)
///   sqlite://rel/path       the file rel/path below the working directory (sqlite:rel/path likewise)
///   any/path                the same as sqlite:any/path
///   postgresql://user@host:port/database?...
///                           the schema `krigon` of that database, as libpq reads the URL (postgres://
///                           likewise) but for `options`; the password is best left to PGPASSFILE or
///                           PGPASSWORD. A server that goes away for less than 30 s is waited for
///
/// A path is taken as it stands: no %-escapes, no ~. Throws UsageError for a URL of another kind or
/// without a path, naming what is allowed, and StorageError, naming the path and what to do, where
/// the store is missing (with `create` off), its folder does not exist, lies on a network file
/// system, cannot be written, or the file is damaged, no store of ours, or of a newer schema.
///
/// A store must not be used on the other side of a fork(); open a new one there.
std::shared_ptr<Storage> open_storage(std::string_view url, const StorageOptions& options = {});

/// Whether there is something at the URL to open; creates nothing. Always false for memory:. Throws
/// UsageError for a URL of another kind.
bool store_exists(std::string_view url);

}  // namespace krigon
