#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace krigon {

/// Columns that UTF-8 text takes on a terminal: wide characters two, combining ones none. Control
/// characters and bytes that are no UTF-8 count as one (printable() shows them so).
std::size_t display_width(std::string_view text);

/// `text` with control characters and broken UTF-8 replaced by U+FFFD, so that a trial's output or a
/// parameter's value cannot steer the terminal.
std::string printable(std::string_view text);

/// At most `width` columns of `text`; an ellipsis (one column, U+2026) stands for what is cut off.
/// `width` 0 gives the empty string.
std::string truncate(std::string_view text, std::size_t width);

}  // namespace krigon
