#include "render/width.hpp"

#include <cstdint>

#include <locale.h>
#include <wchar.h>

namespace krigon {
namespace {

constexpr char32_t kBroken = 0xFFFD;

/// The character at `at` and its length in bytes; kBroken and 1 where the bytes are no UTF-8.
struct Decoded {
  char32_t character;
  std::size_t length;
};

Decoded decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const std::uint32_t first = byte(at);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return {kBroken, 1};
  std::uint32_t character = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {kBroken, 1};
    character = character << 6 | (byte(at + i) & 0x3F);
  }
  const std::uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  const bool surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (character < smallest || character > 0x10FFFF || surrogate) return {kBroken, 1};
  return {character, length};
}

/// wcwidth() of the C library's UTF-8 tables, whatever the process's locale.
int width_of(char32_t character) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(character));
  uselocale(before);
  return width < 0 ? 1 : width;
}

bool control(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto [character, length] = decode(text, at);
    width += character >= 0x20 && character < 0x7F ? 1u : static_cast<std::size_t>(width_of(character));
    at += length;
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto [character, length] = decode(text, at);
    if (character == kBroken || control(character)) {
      result += "\uFFFD";
    } else {
      result += text.substr(at, length);
    }
    at += length;
  }
  return result;
}

std::string truncate(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto [character, length] = decode(text, at);
    const auto columns = static_cast<std::size_t>(width_of(character));
    if (used + columns > width - 1) break;
    used += columns;
    at += length;
  }
  return std::string(text.substr(0, at)) + "\u2026";
}

}  // namespace krigon
