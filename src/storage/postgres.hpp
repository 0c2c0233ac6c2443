#pragma once

#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/storage.hpp"

namespace krigon::detail {

/// A store in the schema `krigon` of a PostgreSQL database, shared by as many machines as reach it. Times are
/// the server's; with `clock`, which must outlive the store, that one's. Errors as open_storage().
std::unique_ptr<Storage> open_postgres(const std::string& url, bool create, bool read_only,
                                       const Clock* clock);

/// Whether that database holds a store. Throws StorageError where it cannot be asked.
bool postgres_exists(const std::string& url);

}  // namespace krigon::detail
