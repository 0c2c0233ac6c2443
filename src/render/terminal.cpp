#include "render/terminal.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

namespace krigon {
namespace {

std::string_view text(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

bool names_utf8(const Environment& environment) {
  // The first of these that is set decides, as in setlocale(3).
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = text(environment, name);
    if (value.empty()) continue;
    std::string lower(value);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

Terminal describe_terminal(bool tty, int tty_columns, int tty_rows, const Environment& environment) {
  const bool dumb = text(environment, "TERM") == "dumb";
  Terminal terminal;
  terminal.interactive = tty && !dumb;
  terminal.color = terminal.interactive && text(environment, "NO_COLOR").empty();
  terminal.unicode = names_utf8(environment);
  if (tty_columns > 0) terminal.columns = tty_columns;
  if (tty_rows > 0) terminal.rows = tty_rows;
  const std::string_view columns = text(environment, "COLUMNS");
  int value = 0;
  const auto [end, error] = std::from_chars(columns.data(), columns.data() + columns.size(), value);
  if (error == std::errc{} && end == columns.data() + columns.size() && value > 0) terminal.columns = value;
  terminal.columns = std::clamp(terminal.columns, 20, 1000);
  return terminal;
}

Terminal detect_terminal(int fd, const Environment& environment) {
  const bool tty = isatty(fd) == 1;
  winsize size{};
  const bool known = tty && ioctl(fd, TIOCGWINSZ, &size) == 0;
  return describe_terminal(tty, known ? size.ws_col : 0, known ? size.ws_row : 0, environment);
}

std::string paint(std::string_view text, Color color, const Terminal& terminal) {
  const char* code = "";
  switch (color) {
    case Color::plain:
      break;
    case Color::bold:
      code = "1";
      break;
    case Color::dim:
      code = "2";
      break;
    case Color::red:
      code = "31";
      break;
    case Color::green:
      code = "32";
      break;
    case Color::yellow:
      code = "33";
      break;
    case Color::cyan:
      code = "36";
      break;
  }
  if (!terminal.color || *code == '\0' || text.empty()) return std::string(text);
  return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
}

}  // namespace krigon
