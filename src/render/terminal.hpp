#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace krigon {

/// What the place that text goes to can show.
struct Terminal {
  bool interactive = false;  ///< a terminal whose lines can be drawn anew
  bool color = false;
  bool unicode = false;  ///< bars and middle dots instead of ASCII
  int columns = 80;
  int rows = 24;
};

/// The variable's value, nullptr when unset; as ::getenv.
using Environment = std::function<const char*(const char*)>;

/// What `fd` can show. Colour only on a terminal, never with NO_COLOR set to anything but the empty
/// string or with TERM=dumb (see no-color.org). COLUMNS wins over the terminal's own word.
Terminal detect_terminal(int fd, const Environment& environment);

/// detect_terminal() without the system calls: `tty_columns` and `tty_rows` are 0 when the terminal
/// does not say.
Terminal describe_terminal(bool tty, int tty_columns, int tty_rows, const Environment& environment);

enum class Color { plain, bold, dim, red, green, yellow, cyan };

/// `text` in that colour where `terminal` shows colours, else `text`.
std::string paint(std::string_view text, Color color, const Terminal& terminal);

}  // namespace krigon
