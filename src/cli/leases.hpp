#pragma once

#include "cli/context.hpp"
#include "worker/run_loop.hpp"

namespace krigon::cli {

/// For how long this process keeps its trials, and goes on proposing, without being heard of: what
/// $KRIGON_LEASE says, if it says anything. All who run trials of a study have to agree on it: by it they
/// tell who is gone. And for how long it waits for a store that is away: $KRIGON_PATIENCE. Throws UsageError.
void set_leases(const Context& context, RunOptions& run);

}  // namespace krigon::cli
