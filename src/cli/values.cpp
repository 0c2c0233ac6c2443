#include "cli/values.hpp"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "render/human.hpp"

namespace krigon::cli {

std::string list_of(const std::vector<Value>& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + to_string(value);
  return text;
}

namespace {

Value among(const Parameter& parameter, const std::vector<Value>& values, std::string_view text) {
  for (const auto& value : values) {
    if (to_string(value) == text) return value;
  }
  // 0.10 for 0.1, 1e1 for 10: the same number in other letters.
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) {
    for (const auto& value : values) {
      if (!std::holds_alternative<std::string>(value) && !std::holds_alternative<bool>(value) &&
          as_number(value) == number) {
        return value;
      }
    }
  }
  throw UsageError(
      fmt::format("parameter \"{}\": found \"{}\", allowed: {}", parameter.name, text, list_of(values)));
}

}  // namespace

std::pair<std::string, std::string> split_assignment(std::string_view word) {
  const auto at = word.find('=');
  if (at == std::string_view::npos || at == 0) {
    throw UsageError(fmt::format("found \"{}\", expected NAME=VALUE", word));
  }
  return {std::string(word.substr(0, at)), std::string(word.substr(at + 1))};
}

double parse_number(std::string_view text, std::string_view what) {
  double value = 0;
  const auto* first = text.data();
  if (text.starts_with('+') && !text.starts_with("+-")) ++first;
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UsageError(fmt::format("{}: found \"{}\", expected a finite number", what, text));
  }
  return value;
}

std::int64_t parse_integer(std::string_view text, std::string_view what) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    throw UsageError(fmt::format("{}: found \"{}\", expected an integer", what, text));
  }
  return value;
}

Value parse_value(const Parameter& parameter, std::string_view text) {
  const std::string what = fmt::format("parameter \"{}\"", parameter.name);
  if (std::holds_alternative<RealDomain>(parameter.domain)) return parse_number(text, what);
  if (std::holds_alternative<IntegerDomain>(parameter.domain)) return parse_integer(text, what);
  if (const auto* constant = std::get_if<ConstantDomain>(&parameter.domain)) {
    return among(parameter, {constant->value}, text);
  }
  return among(parameter, std::get<CategoricalDomain>(parameter.domain).values, text);
}

Parameters parse_parameters(const Space& space, const std::vector<std::string>& words) {
  Parameters parameters;
  for (const auto& word : words) {
    const auto [name, text] = split_assignment(word);
    const Parameter* parameter = space.find(name);
    if (parameter == nullptr) {
      std::string names;
      for (const auto& known : space.parameters()) names += (names.empty() ? "" : ", ") + known.name;
      throw UsageError(fmt::format("there is no parameter \"{}\", allowed: {}", name, names));
    }
    if (!parameters.emplace(name, parse_value(*parameter, text)).second) {
      throw UsageError(fmt::format("parameter \"{}\" is given twice", name));
    }
  }
  return parameters;
}

std::string variable_name(std::string_view parameter) {
  std::string name = "KRIGON_PARAM_";
  for (const char c : parameter) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

namespace {

std::string join_parameters(const Space& space, const Parameters& parameters,
                            std::string (*text)(const Value&)) {
  std::string line;
  for (const auto& parameter : space.parameters()) {
    const auto found = parameters.find(parameter.name);
    if (found == parameters.end()) continue;
    line += (line.empty() ? "" : " ") + parameter.name + "=" + text(found->second);
  }
  return line;
}

}  // namespace

std::string parameters_line(const Space& space, const Parameters& parameters) {
  return join_parameters(space, parameters, [](const Value& value) { return to_string(value); });
}

std::string short_parameters_line(const Space& space, const Parameters& parameters) {
  return join_parameters(space, parameters, [](const Value& value) {
    const auto* real = std::get_if<double>(&value);
    return real != nullptr ? human_number(*real) : to_string(value);
  });
}

}  // namespace krigon::cli
