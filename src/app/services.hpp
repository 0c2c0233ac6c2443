#pragma once

#include <vector>

#include "cli/services.hpp"

namespace krigon::app {

/// What the commands work with, made of the real implementations.
cli::Services make_services();

/// The state of this machine as far as Krigon cares: version, backend, BLAS, threads, GPU, memory
/// limits, git.
std::vector<cli::Finding> examine_machine();

}  // namespace krigon::app
