#pragma once

#include <cstdint>
#include <span>

#include "storage/sql_key.hpp"
#include "storage/sqlite_connection.hpp"

namespace krigon::detail {

/// "KRGN" in the file's header: tells our files from other programs'.
inline constexpr std::int64_t kApplicationId = 0x4b52474e;

/// One step of the schema; step i of a list leads from version i to i + 1.
struct Migration {
  const char* sql;
};

/// The steps to the newest version.
std::span<const Migration> migrations();

/// The file's schema version, 0 for an empty file. Throws StorageError when it is another program's or
/// newer than `newest`.
std::int64_t schema_version(Connection& connection, std::size_t newest);

/// Brings the file to the newest version of `steps`, each in one transaction; makes the schema in an
/// empty file. Several processes may do so at once. Throws StorageError, and changes nothing, when
/// the file belongs to another program or has a newer version.
void migrate(Connection& connection, std::span<const Migration> steps);

/// The same checks without changing anything: throws StorageError unless the version is the newest.
void check_version(Connection& connection, std::span<const Migration> steps);

}  // namespace krigon::detail
