#include "core/quantity.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace krigon {

bool detail::is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t detail::digits_from(std::string_view text, std::size_t i) {
  std::size_t n = 0;
  while (i + n < text.size() && is_digit(text[i + n])) ++n;
  return n;
}

namespace {

using detail::digits_from;
using detail::is_digit;

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

}  // namespace krigon
