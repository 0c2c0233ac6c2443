#pragma once

#include <cstdint>

#include <fmt/format.h>

#include "core/storage.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

/// A worker's row that ends so many leases ahead of now was written before the store's clock was set back.
inline constexpr std::int64_t kLeasesAhead = 10;

/// Of a heartbeat, which says for how long a worker lives. Throws UsageError.
inline void check_lease(TimeUs lease) {
  if (lease >= 0 && lease <= kLongestLease) return;
  throw UsageError(fmt::format("a worker's lease is {} microseconds; allowed: 0, where it leaves, to {}",
                               lease, kLongestLease));
}

}  // namespace krigon::detail
