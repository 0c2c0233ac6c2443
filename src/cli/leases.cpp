#include "cli/leases.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include <fmt/format.h>

#include "core/quantity.hpp"
#include "core/storage.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {

void set_leases(const Context& context, RunOptions& run) {
  const std::string text = context.variable("KRIGON_LEASE");
  if (text.empty()) return;
  const auto lease = parse_duration(text);
  if (!lease || *lease < std::chrono::seconds(1) || *lease > std::chrono::microseconds(kLongestLease)) {
    throw UsageError(fmt::format(
        "the environment variable KRIGON_LEASE is '{}'; allowed: a duration from 1s to 24h, such as 30s",
        text));
  }
  run.lease = std::chrono::microseconds(*lease).count();
  run.lead_lease = std::min(run.lead_lease, run.lease);
}

}  // namespace krigon::cli
