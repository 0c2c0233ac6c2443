#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace krigon {

/// Quoted for a POSIX shell where that is needed.
std::string shell_quote(std::string_view text);
/// A command line that a POSIX shell splits into these words.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace krigon
