#include "cli/leases.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "core/quantity.hpp"
#include "core/storage.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

/// What a variable says, nullopt where it is not set.
std::optional<TimeUs> duration_in(const Context& context, const char* name) {
  const std::string text = context.variable(name);
  if (text.empty()) return std::nullopt;
  const auto duration = parse_duration(text);
  if (!duration || *duration < std::chrono::seconds(1) ||
      *duration > std::chrono::microseconds(kLongestLease)) {
    throw UsageError(fmt::format(
        "the environment variable {} is '{}'; allowed: a duration from 1s to 24h, such as 30s", name, text));
  }
  return std::chrono::microseconds(*duration).count();
}

}  // namespace

void set_leases(const Context& context, RunOptions& run) {
  if (const auto lease = duration_in(context, "KRIGON_LEASE")) {
    run.lease = *lease;
    run.lead_lease = std::min(run.lead_lease, run.lease);
  }
  if (const auto outage = duration_in(context, "KRIGON_PATIENCE")) run.outage = *outage;
}

}  // namespace krigon::cli
