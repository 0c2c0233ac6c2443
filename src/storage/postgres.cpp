#include "storage/postgres.hpp"

#include "storage/postgres_engine.hpp"
#include "storage/postgres_storage.hpp"

namespace krigon::detail {

std::unique_ptr<Storage> open_postgres(const std::string& url, bool create, bool read_only,
                                       const Clock* clock) {
  return std::make_unique<PostgresStorage>(url, create, read_only, clock);
}

bool postgres_exists(const std::string& url) {
  PostgresConnection connection(url, true);
  return postgres_version(connection) > 0;
}

}  // namespace krigon::detail
