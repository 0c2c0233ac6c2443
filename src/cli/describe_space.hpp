#pragma once

#include <string>

#include "krigon/space.hpp"
#include "render/table.hpp"

namespace krigon::cli {

/// The parameters as a table: name, kind, range or values, condition.
Table describe_space(const Space& space);

/// "infinitely many points", "1,296 points (before conditions and constraints)".
std::string describe_size(const Space& space);

}  // namespace krigon::cli
