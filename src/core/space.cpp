#include "krigon/space.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/space_data.hpp"
#include "krigon/error.hpp"

namespace krigon {

Space::Space() : data_(std::make_shared<const Data>()) {}

Space::Space(std::vector<Parameter> parameters, std::vector<std::string> constraints) {
  auto data = std::make_shared<Data>();
  std::set<std::string> names;
  for (const auto& p : parameters) {
    detail::check_domain(p);
    if (!names.insert(p.name).second)
      throw SpaceError(fmt::format("parameter \"{}\" is there twice", p.name));
  }
  data->order = detail::check_conditions(parameters);
  for (const auto& text : constraints) data->constraints.emplace_back(text, parameters);
  data->parameters = std::move(parameters);
  data->constraint_texts = std::move(constraints);
  data_ = std::move(data);
}

Space::~Space() = default;
Space::Space(const Space&) = default;
Space::Space(Space&&) noexcept = default;
Space& Space::operator=(const Space&) = default;
Space& Space::operator=(Space&&) noexcept = default;

const std::vector<Parameter>& Space::parameters() const {
  return data_->parameters;
}
const std::vector<std::string>& Space::constraints() const {
  return data_->constraint_texts;
}
const std::vector<std::size_t>& Space::order() const {
  return data_->order;
}

const Parameter* Space::find(std::string_view name) const {
  for (const auto& p : data_->parameters) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

bool Space::active(const Parameter& parameter, const Parameters& point) const {
  return std::all_of(parameter.when.begin(), parameter.when.end(), [&](const Condition& condition) {
    const auto parent = point.find(condition.parameter);
    if (parent == point.end()) return false;
    return std::any_of(condition.values.begin(), condition.values.end(),
                       [&](const Value& v) { return same_value(v, parent->second); });
  });
}

bool Space::feasible(const Parameters& point) const {
  return std::all_of(data_->constraints.begin(), data_->constraints.end(),
                     [&](const detail::Constraint& c) { return c.holds(point); });
}

void Space::validate(const Parameters& point) const {
  for (const auto& [name, value] : point) {
    if (find(name) == nullptr) {
      std::string names;
      for (const auto& p : data_->parameters) names += (names.empty() ? "" : ", ") + p.name;
      throw SpaceError(fmt::format("\"{}\" is no parameter of this space (there are: {})", name, names));
    }
  }
  for (const std::size_t i : data_->order) {
    const auto& p = data_->parameters[i];
    const auto found = point.find(p.name);
    if (!active(p, point)) {
      if (found != point.end()) {
        throw SpaceError(fmt::format("parameter \"{}\" is not active at this point: leave it out", p.name));
      }
      continue;
    }
    if (found == point.end()) throw SpaceError(fmt::format("parameter \"{}\" is missing", p.name));
    if (const auto allowed = detail::why_outside(p.domain, found->second); !allowed.empty()) {
      throw SpaceError(fmt::format("parameter \"{}\": found {}, allowed is {}", p.name,
                                   to_string(found->second), allowed));
    }
  }
  for (const auto& constraint : data_->constraints) {
    if (!constraint.holds(point)) {
      throw SpaceError(fmt::format("the point does not satisfy the constraint \"{}\"", constraint.text()));
    }
  }
}

namespace {

// The domain's own spelling of a value that a person or a JSON writer spelt differently: 1 for 1.0,
// 32.0 for 32, "32" never for 32.
Value in_domain_type(const Domain& domain, const Value& value) {
  const auto as_integer = [](const Value& v) -> std::optional<std::int64_t> {
    const auto* d = std::get_if<double>(&v);
    if (d == nullptr || *d != std::floor(*d) || std::abs(*d) > 0x1p53) return std::nullopt;
    return static_cast<std::int64_t>(*d);
  };
  if (std::holds_alternative<RealDomain>(domain)) {
    if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
  } else if (std::holds_alternative<IntegerDomain>(domain)) {
    if (const auto i = as_integer(value)) return *i;
  } else if (const auto* c = std::get_if<CategoricalDomain>(&domain)) {
    const bool number = std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
    for (const auto& v : c->values) {
      const bool numeric = std::holds_alternative<std::int64_t>(v) || std::holds_alternative<double>(v);
      if (number && numeric && as_number(v) == as_number(value)) return v;
    }
  }
  return value;
}

}  // namespace

Parameters Space::complete(const Parameters& point) const {
  Parameters result = point;
  for (const std::size_t i : data_->order) {
    const auto& p = data_->parameters[i];
    const auto found = result.find(p.name);
    if (found != result.end()) {
      found->second = in_domain_type(p.domain, found->second);
    } else if (const auto* constant = std::get_if<ConstantDomain>(&p.domain);
               constant != nullptr && active(p, result)) {
      result[p.name] = constant->value;
    }
  }
  validate(result);
  return result;
}

std::optional<std::int64_t> Space::size() const {
  constexpr std::int64_t kMost = std::int64_t{1} << 62;
  std::int64_t total = 1;
  for (const auto& p : data_->parameters) {
    std::int64_t count = 1;
    if (const auto* r = std::get_if<RealDomain>(&p.domain)) {
      if (!r->step) return std::nullopt;
      // The small slack keeps max itself where rounding put it a hair outside.
      count = static_cast<std::int64_t>(std::floor((r->max - r->min) / *r->step * (1 + 1e-12))) + 1;
    } else if (const auto* n = std::get_if<IntegerDomain>(&p.domain)) {
      count = (n->max - n->min) / n->step + 1;
    } else if (const auto* c = std::get_if<CategoricalDomain>(&p.domain)) {
      count = static_cast<std::int64_t>(c->values.size());
    }
    total = count > kMost / total ? kMost : total * count;
  }
  return total;
}

}  // namespace krigon
