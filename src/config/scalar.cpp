#include "config/scalar.hpp"

#include <charconv>

#include <fmt/format.h>

#include "config/suggest.hpp"
#include "core/quantity.hpp"

namespace krigon::detail {
namespace {

enum class Spelling { integer, real, prefixed, not_finite, word };

// The grammar of YAML 1.2's core schema, but for what scalar_value() says.
Spelling spelling_of(std::string_view text) {
  std::size_t i = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const std::string_view unsigned_part = text.substr(i);
  for (const char* word : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}) {
    if (unsigned_part == word) return Spelling::not_finite;
  }
  if (unsigned_part.size() > 2 && unsigned_part[0] == '0' &&
      (unsigned_part[1] == 'x' || unsigned_part[1] == 'o' || unsigned_part[1] == 'b')) {
    const char kind = unsigned_part[1];
    for (const char c : unsigned_part.substr(2)) {
      const bool hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!(kind == 'x' ? hex : is_digit(c))) return Spelling::word;
    }
    return Spelling::prefixed;
  }
  const std::size_t whole = digits_from(text, i);
  i += whole;
  if (whole > 0 && i == text.size()) return Spelling::integer;
  std::size_t fraction = 0;
  if (i < text.size() && text[i] == '.') {
    fraction = digits_from(text, i + 1);
    i += 1 + fraction;
  }
  if (whole + fraction == 0) return Spelling::word;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    const std::size_t exponent = digits_from(text, i);
    if (exponent == 0) return Spelling::word;
    i += exponent;
  }
  return i == text.size() ? Spelling::real : Spelling::word;
}

Scalar integer_value(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') || text.starts_with('+') ? 1 : 0);
  if (digits.size() > 1 && digits[0] == '0') {
    return {{},
            fmt::format("found {}: leading zeros mean octal to some readers; write {}, or quotes for text",
                        in_quotes(text),
                        digits.find_first_not_of('0') == std::string_view::npos
                            ? "0"
                            : digits.substr(digits.find_first_not_of('0')))};
  }
  std::int64_t value = 0;
  const std::string_view plain = text.substr(text.starts_with('+') ? 1 : 0);
  const auto end = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end.ec != std::errc{}) {
    return {{}, fmt::format("found {}, which is out of the range of 64-bit integers", in_quotes(text))};
  }
  return {value, {}};
}

Scalar prefixed_value(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view body = text.substr(negative || text.starts_with('+') ? 1 : 0);
  if (body[1] != 'x') {
    return {{}, fmt::format("found {}; write the number in decimal, or in quotes for text", in_quotes(text))};
  }
  std::int64_t value = 0;
  const auto end = std::from_chars(body.data() + 2, body.data() + body.size(), value, 16);
  if (end.ec != std::errc{}) {
    return {{}, fmt::format("found {}, which is out of the range of 64-bit integers", in_quotes(text))};
  }
  return {negative ? -value : value, {}};
}

Scalar real_value(std::string_view text) {
  const std::string_view plain = text.substr(text.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto end = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end.ec != std::errc{}) {
    return {{}, fmt::format("found {}, which is out of the range of 64-bit floating point", in_quotes(text))};
  }
  return {value, {}};
}

}  // namespace

Scalar scalar_value(const Node& node) {
  const std::string& text = node.text;
  if (node.quoted) return {text, {}};
  if (text == "true" || text == "True" || text == "TRUE") return {true, {}};
  if (text == "false" || text == "False" || text == "FALSE") return {false, {}};
  switch (spelling_of(text)) {
    case Spelling::integer:
      return integer_value(text);
    case Spelling::prefixed:
      return prefixed_value(text);
    case Spelling::real:
      return real_value(text);
    case Spelling::not_finite:
      return {{}, fmt::format("found {}, which is no finite number", in_quotes(text))};
    case Spelling::word:
      break;
  }
  return {text, {}};
}

std::string shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::list:
      return node.items.empty() ? "an empty list" : "a list";
    case Node::Kind::map:
      return node.entries.empty() ? "an empty map" : "a map";
    case Node::Kind::scalar:
      break;
  }
  const Scalar scalar = scalar_value(node);
  if (!scalar.why.empty() || std::holds_alternative<std::string>(scalar.value)) {
    Node bare = node;
    bare.quoted = false;
    // Text that looks like something else is said to be text, or the message would make no sense.
    const bool looks_otherwise =
        node.quoted && !std::holds_alternative<std::string>(scalar_value(bare).value);
    return (looks_otherwise ? "the text " : "") + in_quotes(node.text);
  }
  return node.text;
}

}  // namespace krigon::detail
