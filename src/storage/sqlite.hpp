#pragma once

#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/storage.hpp"

namespace krigon::detail {

/// A store in one SQLite file, durable at every change. `path` may be relative; `clock` must outlive
/// the store. Errors as open_storage().
std::unique_ptr<Storage> open_sqlite(const std::string& path, bool create, bool read_only,
                                     const Clock& clock);

}  // namespace krigon::detail
