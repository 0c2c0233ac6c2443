#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace krigon::detail {

/// Fit to be stored, sent and shown on a terminal: bytes that are no UTF-8 and control characters
/// other than newline and tab become U+FFFD; '\r' becomes a newline.
std::string printable(std::string_view bytes);

/// The start of a line as a person should see it in a message: printable, one line, cut to `most` bytes.
std::string excerpt(std::string_view line, std::size_t most = 60);

/// The last lines of a text, at most `most` bytes of printable text, from the start of a line where
/// that leaves anything.
std::string last_lines(std::string_view bytes, std::size_t most);

}  // namespace krigon::detail
