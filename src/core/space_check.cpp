#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "core/space_data.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

[[noreturn]] void fail(const Parameter& parameter, const std::string& why) {
  throw SpaceError(fmt::format("parameter \"{}\": {}", parameter.name, why));
}

void check_real(const Parameter& p, const RealDomain& d) {
  if (!std::isfinite(d.min) || !std::isfinite(d.max)) fail(p, "min and max must be finite numbers");
  if (!(d.min < d.max))
    fail(p, fmt::format("min ({}) must be below max ({})", to_string(d.min), to_string(d.max)));
  if (!std::isfinite(d.max - d.min)) fail(p, "the range from min to max is too wide for a double");
  if (d.scale == Scale::log && d.min <= 0) {
    fail(p, fmt::format("a log scale needs min above 0, found {}", to_string(d.min)));
  }
  if (!d.step) return;
  if (d.scale == Scale::log) fail(p, "step goes with a linear scale only");
  if (!(std::isfinite(*d.step) && *d.step > 0))
    fail(p, fmt::format("step must be above 0, found {}", to_string(*d.step)));
  if (*d.step > d.max - d.min) {
    fail(p, fmt::format("step ({}) is larger than max - min ({})", to_string(*d.step),
                        to_string(d.max - d.min)));
  }
  if ((d.max - d.min) / *d.step > 1e15)
    fail(p, fmt::format("step ({}) is too small for the range", to_string(*d.step)));
}

void check_integer(const Parameter& p, const IntegerDomain& d) {
  if (d.min >= d.max) fail(p, fmt::format("min ({}) must be below max ({})", d.min, d.max));
  constexpr std::int64_t kLargest = std::int64_t{1} << 53;  // exact as a double
  if (d.min < -kLargest || d.max > kLargest) fail(p, "integers must lie within ±2^53");
  if (d.scale == Scale::log && d.min < 1)
    fail(p, fmt::format("a log scale needs min of at least 1, found {}", d.min));
  if (d.scale == Scale::log && d.step != 1) fail(p, "step goes with a linear scale only");
  if (d.step < 1) fail(p, fmt::format("step must be at least 1, found {}", d.step));
  if (d.step > d.max - d.min)
    fail(p, fmt::format("step ({}) is larger than max - min ({})", d.step, d.max - d.min));
}

void check_categorical(const Parameter& p, const CategoricalDomain& d) {
  if (d.values.empty()) fail(p, "values must list at least one value");
  std::set<std::string> texts;
  for (const auto& value : d.values) {
    if (const auto* v = std::get_if<double>(&value); v != nullptr && !std::isfinite(*v)) {
      fail(p, "values must be finite numbers");
    }
    // As text: two values that a trial's command could not tell apart are one.
    if (!texts.insert(to_string(value)).second) {
      fail(p, fmt::format("the value {} is listed twice", to_string(value)));
    }
  }
}

bool name_ok(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), rest);
}

}  // namespace

void check_domain(const Parameter& p) {
  if (!name_ok(p.name)) {
    throw SpaceError(fmt::format(
        "parameter name \"{}\": allowed are letters, digits, '_', '.', '-', a letter or '_' first", p.name));
  }
  struct Visitor {
    const Parameter& p;
    void operator()(const RealDomain& d) const { check_real(p, d); }
    void operator()(const IntegerDomain& d) const { check_integer(p, d); }
    void operator()(const CategoricalDomain& d) const { check_categorical(p, d); }
    void operator()(const ConstantDomain& d) const {
      const auto* v = std::get_if<double>(&d.value);
      if (v != nullptr && !std::isfinite(*v)) fail(p, "a constant must be finite");
    }
  };
  std::visit(Visitor{p}, p.domain);
}

std::string why_outside(const Domain& domain, const Value& value) {
  struct Visitor {
    const Value& value;
    std::string operator()(const RealDomain& d) const {
      const auto* v = std::get_if<double>(&value);
      bool inside = v != nullptr && *v >= d.min && *v <= d.max;
      if (inside && d.step) {
        const double nearest = d.min + std::round((*v - d.min) / *d.step) * *d.step;
        inside = std::abs(*v - nearest) <= 1e-9 * std::max(*d.step, std::abs(*v));
      }
      if (inside) return {};
      return d.step
                 ? fmt::format("{} + i x {} up to {}", to_string(d.min), to_string(*d.step), to_string(d.max))
                 : fmt::format("a real number in [{}, {}]", to_string(d.min), to_string(d.max));
    }
    std::string operator()(const IntegerDomain& d) const {
      const auto* v = std::get_if<std::int64_t>(&value);
      if (v != nullptr && *v >= d.min && *v <= d.max && (*v - d.min) % d.step == 0) return {};
      return d.step == 1 ? fmt::format("an integer in [{}, {}]", d.min, d.max)
                         : fmt::format("an integer {} + i x {} up to {}", d.min, d.step, d.max);
    }
    std::string operator()(const CategoricalDomain& d) const {
      for (const Value& each : d.values) {
        if (same_value(each, value)) return {};
      }
      std::string allowed = "one of ";
      for (std::size_t i = 0; i < d.values.size(); ++i) {
        allowed += (i == 0 ? "" : ", ") + to_string(d.values[i]);
      }
      return allowed;
    }
    std::string operator()(const ConstantDomain& d) const {
      return same_value(d.value, value) ? std::string{} : "the constant " + to_string(d.value);
    }
  };
  return std::visit(Visitor{value}, domain);
}

std::vector<std::size_t> check_conditions(const std::vector<Parameter>& parameters) {
  const auto index_of = [&](const std::string& name) {
    const auto it = std::find_if(parameters.begin(), parameters.end(),
                                 [&](const Parameter& p) { return p.name == name; });
    return static_cast<std::size_t>(it - parameters.begin());
  };
  for (const auto& p : parameters) {
    for (const auto& condition : p.when) {
      const std::size_t parent = index_of(condition.parameter);
      if (parent == parameters.size())
        fail(p, fmt::format("when: \"{}\" is no parameter", condition.parameter));
      if (condition.values.empty()) fail(p, fmt::format("when: \"{}\" lists no value", condition.parameter));
      for (const auto& value : condition.values) {
        if (const auto why = why_outside(parameters[parent].domain, value); !why.empty()) {
          fail(p, fmt::format("when: \"{}\" can never be {} (allowed: {})", condition.parameter,
                              to_string(value), why));
        }
      }
    }
  }
  // Repeatedly take what depends only on what was taken: quadratic, and spaces are small.
  std::vector<std::size_t> order;
  std::set<std::string> taken;
  while (order.size() < parameters.size()) {
    const std::size_t before = order.size();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& p = parameters[i];
      const bool ready = std::all_of(p.when.begin(), p.when.end(),
                                     [&](const Condition& c) { return taken.contains(c.parameter); });
      if (ready && taken.insert(p.name).second) order.push_back(i);
    }
    if (order.size() == before) {
      std::string circle;
      for (const auto& p : parameters) {
        if (!taken.contains(p.name)) circle += (circle.empty() ? "" : ", ") + p.name;
      }
      throw SpaceError("conditions (when) go in a circle: " + circle);
    }
  }
  return order;
}

}  // namespace krigon::detail
