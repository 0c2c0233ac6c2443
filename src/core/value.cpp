#include "krigon/value.hpp"

#include <array>
#include <bit>
#include <charconv>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

std::string to_string(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

std::string to_string(const Value& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return to_string(v); }
    std::string operator()(const std::string& v) const { return v; }
  };
  return std::visit(Visitor{}, value);
}

bool same_value(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (const auto* x = std::get_if<double>(&a)) {
    return std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(std::get<double>(b));
  }
  return a == b;
}

double as_number(const Value& value) {
  struct Visitor {
    double operator()(bool v) const { return v ? 1.0 : 0.0; }
    double operator()(std::int64_t v) const { return static_cast<double>(v); }
    double operator()(double v) const { return v; }
    double operator()(const std::string& v) const {
      throw SpaceError(fmt::format("found the text \"{}\" where a number is needed", v));
    }
  };
  return std::visit(Visitor{}, value);
}

}  // namespace krigon
