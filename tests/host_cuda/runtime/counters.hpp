#pragma once

#include "tests/host_cuda/control.hpp"

namespace krigon::host_cuda {

Counters& live_counters();

}  // namespace krigon::host_cuda
