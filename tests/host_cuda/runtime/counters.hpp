#pragma once

#include <set>

#include "tests/host_cuda/control.hpp"

namespace krigon::host_cuda {

Counters& live_counters();
/// Those that were queued or captured.
std::set<const void*>& seen_kernels();

}  // namespace krigon::host_cuda
