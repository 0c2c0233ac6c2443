#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/field.hpp"

namespace krigon::detail {

/// What `{name}` may stand for in a command.
struct CommandNames {
  std::vector<std::string> parameters;
  std::vector<std::string> conditional;  ///< those of them that are absent at times
  std::vector<std::string> constants;    ///< those of them that a program need not be told
};

/// Reads a command: a list of words, whose templates are checked. Warns where some parameters are
/// handed over by templates and others are not. `checkpoint`: trials have a folder that {checkpoint} stands
/// for.
std::vector<std::string> read_command(const Field& field, const CommandNames& names, bool checkpoint);

}  // namespace krigon::detail
