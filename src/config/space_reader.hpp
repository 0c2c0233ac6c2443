#pragma once

#include <string>
#include <vector>

#include "config/field.hpp"
#include "krigon/space.hpp"

namespace krigon::detail {

struct ReadSpace {
  Space space;                           ///< whole only where nothing was reported
  std::vector<std::string> names;        ///< of all parameters in the file, faulty ones included
  std::vector<std::string> conditional;  ///< names of those with a `when`
  std::vector<std::string> constants;
};

/// Reads `parameters` and `constraints`; reports at their lines all that Space would refuse, and what
/// makes no sense in a file.
ReadSpace read_space(const Field& parameters, const Field& constraints);

}  // namespace krigon::detail
