#pragma once

#include <cstdint>

#include "storage/postgres_connection.hpp"

namespace krigon::detail {

/// The schema's version in this database, 0 where there is none. Throws StorageError for one that is newer
/// than this program's.
std::int64_t postgres_version(PostgresConnection& connection);

/// Brings the database to the newest version, each step in one transaction; makes the schema where there is
/// none. Several processes may do so at once. Throws StorageError, and changes nothing, where it is newer.
void migrate_postgres(PostgresConnection& connection);
/// The same, up to the version `most`.
void migrate_postgres(PostgresConnection& connection, std::int64_t most);

/// Throws StorageError unless the database holds a store of the newest version.
void check_postgres(PostgresConnection& connection);

}  // namespace krigon::detail
