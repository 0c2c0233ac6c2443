#include "config/checks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>

#include <fmt/format.h>

#include "config/suggest.hpp"
#include "core/constraint.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

constexpr std::size_t kLongestConstraint = 1000;
constexpr std::size_t kLongestPattern = 500;  // std::regex recurses into what it compiles
constexpr std::size_t kMostNested = 30;

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool made_of(std::string_view name, std::string_view also) {
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
  });
}

// `a = 3` assigns in muParser, and is then always true.
bool assigns(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') continue;
    if (i + 1 < text.size() && text[i + 1] == '=') {
      ++i;
      continue;
    }
    if (i == 0 || std::string_view("<>!").find(text[i - 1]) == std::string_view::npos) return true;
  }
  return false;
}

std::size_t nested(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (const char c : text) {
    if (c == '(') deepest = std::max(deepest, ++depth);
    if (c == ')' && depth > 0) --depth;
  }
  return deepest;
}

}  // namespace

std::string without_prefix(std::string_view text, std::string_view prefix) {
  return std::string(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
}

bool valid_name(std::string_view name) {
  return made_of(name, ".-");
}

bool valid_variable(std::string_view name) {
  return made_of(name, "");
}

std::string parameter_variable(std::string_view name) {
  std::string variable = "KRIGON_PARAM_";
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    variable += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return variable;
}

std::string why_no_metric(std::string_view name) {
  if (name == "step") return "\"step\" counts a trial's progress and cannot be a metric";
  if (name.size() > 100) return "the name is longer than 100 characters";
  if (!made_of(name, "./@:%-")) {
    return fmt::format(
        "found {}; a metric's name is made of letters, digits and _ . / @ : % -, a letter or _ first",
        in_quotes(name));
  }
  return {};
}

std::string why_no_constraint(const std::string& text, const std::vector<Parameter>& parameters) {
  if (text.size() > kLongestConstraint) {
    return fmt::format("found {} characters, expected at most {}", text.size(), kLongestConstraint);
  }
  if (nested(text) > kMostNested) {
    return fmt::format("parentheses are nested deeper than {}", kMostNested);
  }
  if (assigns(text)) return fmt::format("found {} with a single '='; write == to compare", in_quotes(text));
  try {
    const Constraint checked(text, parameters);
    return {};
  } catch (const SpaceError& e) {
    std::string why = without_prefix(e.what(), fmt::format("constraint \"{}\": ", text));
    // "name" is no parameter ...: with the name that was meant.
    const auto end = why.find("\" is no parameter");
    if (why.starts_with('"') && end != std::string::npos) {
      std::vector<std::string> names;
      for (const auto& p : parameters) names.push_back(p.name);
      const std::string name = why.substr(1, end - 1);
      why = fmt::format("{} is no parameter{} (parameters: {})", in_quotes(name), did_you_mean(name, names),
                        listed(names));
    }
    return fmt::format("in {}: {}", in_quotes(text), why);
  }
}

std::string why_no_pattern(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) {
    return fmt::format("found {} characters, expected at most {}", pattern.size(), kLongestPattern);
  }
  if (nested(pattern) > kMostNested) return fmt::format("groups are nested deeper than {}", kMostNested);
  try {
    const std::regex compiled(pattern, std::regex::ECMAScript);
    if (compiled.mark_count() == 0) {
      return fmt::format("found {}, which has no group for the number; write for example 'acc=([0-9.]+)'",
                         in_quotes(pattern));
    }
    return {};
  } catch (const std::regex_error& e) {
    return fmt::format("found {}, which is no regular expression (ECMAScript): {}", in_quotes(pattern),
                       e.what());
  }
}

std::optional<Value> in_domain(const Domain& domain, const Value& value) {
  const bool numeric = std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
  const double number = numeric ? as_number(value) : 0;
  const auto equal = [&](const Value& own) {
    const bool own_numeric = std::holds_alternative<std::int64_t>(own) || std::holds_alternative<double>(own);
    return numeric && own_numeric ? as_number(own) == number : same_value(own, value);
  };
  if (const auto* c = std::get_if<CategoricalDomain>(&domain)) {
    const auto found = std::find_if(c->values.begin(), c->values.end(), equal);
    return found == c->values.end() ? std::nullopt : std::optional<Value>(*found);
  }
  if (const auto* c = std::get_if<ConstantDomain>(&domain)) {
    return equal(c->value) ? std::optional<Value>(c->value) : std::nullopt;
  }
  if (!numeric) return std::nullopt;
  if (const auto* d = std::get_if<RealDomain>(&domain)) {
    if (!(number >= d->min && number <= d->max)) return std::nullopt;
    if (!d->step) return number;
    const double nearest_step = d->min + std::round((number - d->min) / *d->step) * *d->step;
    const bool met = std::abs(number - nearest_step) <= 1e-9 * std::max(*d->step, std::abs(number));
    return met ? std::optional<Value>(nearest_step) : std::nullopt;
  }
  const auto& d = std::get<IntegerDomain>(domain);
  if (number != std::floor(number) || std::abs(number) > 0x1p53) return std::nullopt;
  const auto whole = static_cast<std::int64_t>(number);
  return whole >= d.min && whole <= d.max && (whole - d.min) % d.step == 0 ? std::optional<Value>(whole)
                                                                           : std::nullopt;
}

std::string allowed_values(const Domain& domain) {
  struct Visitor {
    std::string operator()(const RealDomain& d) const {
      return d.step ? fmt::format("{} to {} in steps of {}", to_string(d.min), to_string(d.max),
                                  to_string(*d.step))
                    : fmt::format("{} to {}", to_string(d.min), to_string(d.max));
    }
    std::string operator()(const IntegerDomain& d) const {
      return d.step == 1 ? fmt::format("integers from {} to {}", d.min, d.max)
                         : fmt::format("integers from {} to {} in steps of {}", d.min, d.max, d.step);
    }
    std::string operator()(const CategoricalDomain& d) const {
      std::vector<std::string> words;
      for (const auto& v : d.values) {
        words.push_back(std::holds_alternative<std::string>(v) ? in_quotes(to_string(v)) : to_string(v));
      }
      return listed(words);
    }
    std::string operator()(const ConstantDomain& d) const { return "the constant " + to_string(d.value); }
  };
  return std::visit(Visitor{}, domain);
}

}  // namespace krigon::detail
