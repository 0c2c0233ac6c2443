#include "config/scalar.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "config/suggest.hpp"

namespace krigon::detail {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits_from(std::string_view text, std::size_t i) {
  std::size_t n = 0;
  while (i + n < text.size() && is_digit(text[i + n])) ++n;
  return n;
}

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

// A number and its unit, many times over: calls add(number, unit) and says whether all was understood.
template <class Add>
bool each_quantity(std::string_view text, const Add& add) {
  if (text.empty()) return false;
  while (!text.empty()) {
    std::size_t n = digits_from(text, 0);
    if (n == 0) return false;
    if (n < text.size() && text[n] == '.') {
      const std::size_t fraction = digits_from(text, n + 1);
      if (fraction == 0) return false;
      n += 1 + fraction;
    }
    double number = 0;
    if (std::from_chars(text.data(), text.data() + n, number).ec != std::errc{}) return false;
    text.remove_prefix(n);
    std::size_t letters = 0;
    while (letters < text.size() && !is_digit(text[letters])) ++letters;
    if (!add(number, text.substr(0, letters))) return false;
    text.remove_prefix(letters);
  }
  return true;
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

std::optional<Milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 5> kUnits{
      {{"d", 86'400e3}, {"h", 3'600e3}, {"m", 60e3}, {"s", 1e3}, {"ms", 1}}};
  constexpr double kMost = 36'500 * 86'400e3;  // a hundred years
  double total = 0;
  std::size_t next = 0;  // units go from large to small, each once
  const bool bare = text.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool ok = each_quantity(text, [&](double number, std::string_view unit) {
    if (bare) unit = "s";
    for (std::size_t i = next; i < kUnits.size(); ++i) {
      if (kUnits[i].first != unit) continue;
      total += number * kUnits[i].second;
      next = i + 1;
      return true;
    }
    return false;
  });
  if (!ok || !(total <= kMost)) return std::nullopt;
  return Milliseconds(std::llround(total));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double total = -1;
  const bool ok = each_quantity(text, [&](double number, std::string_view unit) {
    if (total >= 0) return false;  // one number only
    static constexpr std::string_view kPrefixes = "kmgt";
    double factor = 1;
    if (!unit.empty() && unit != "B") {
      const char c = unit[0];
      const auto power = kPrefixes.find(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
      const std::string_view rest = unit.substr(1);
      if (power == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB" || rest == "i")) {
        return false;
      }
      factor = std::ldexp(1.0, static_cast<int>(10 * (power + 1)));
    }
    total = number * factor;
    return true;
  });
  if (!ok || total > 0x1p53) return std::nullopt;
  return static_cast<std::uint64_t>(total);
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
