#include "runner/text.hpp"

namespace krigon::detail {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool continuation(unsigned char c) {
  return (c & 0xC0u) == 0x80u;
}

/// Length of the well-formed UTF-8 sequence at the start of `s` (RFC 3629), 0 where there is none.
std::size_t sequence_length(std::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char a = at(0);
  if (a < 0x80) return 1;
  std::size_t length = 0;
  if (a >= 0xC2 && a <= 0xDF) length = 2;
  if (a >= 0xE0 && a <= 0xEF) length = 3;
  if (a >= 0xF0 && a <= 0xF4) length = 4;
  if (length == 0 || s.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!continuation(at(i))) return 0;
  }
  const unsigned char b = at(1);
  const bool overlong = (a == 0xE0 && b < 0xA0) || (a == 0xF0 && b < 0x90);
  const bool beyond = (a == 0xED && b >= 0xA0) || (a == 0xF4 && b >= 0x90);  // surrogates; > U+10FFFF
  return overlong || beyond ? 0 : length;
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    const auto c = static_cast<unsigned char>(bytes.front());
    if (length == 0) {
      out += kReplacement;
      bytes.remove_prefix(1);
      continue;
    }
    if (c == '\r') {
      if (bytes.size() < 2 || bytes[1] != '\n') out += '\n';
    } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || bytes.substr(0, 2) == "\xC2\x9B") {
      out += kReplacement;
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return out;
}

std::string excerpt(std::string_view line, std::size_t most) {
  const bool cut = line.size() > most;
  std::string out = printable(line.substr(0, most));
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return cut ? out + "..." : out;
}

std::string last_lines(std::string_view bytes, std::size_t most) {
  std::string text = printable(bytes);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() <= most) return text;
  std::size_t from = text.size() - most;
  while (from < text.size() && continuation(static_cast<unsigned char>(text[from]))) ++from;
  if (text[from - 1] != '\n') {
    const std::size_t line = text.find('\n', from);
    if (line != std::string::npos && line + 1 < text.size()) from = line + 1;
  }
  return text.substr(from);
}

}  // namespace krigon::detail
