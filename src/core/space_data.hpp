#pragma once

#include <string>
#include <vector>

#include "core/constraint.hpp"
#include "krigon/space.hpp"

namespace krigon {

struct Space::Data {
  std::vector<Parameter> parameters;
  std::vector<std::string> constraint_texts;
  std::vector<detail::Constraint> constraints;
  std::vector<std::size_t> order;
};

namespace detail {

/// Throws SpaceError naming the parameter whose domain is wrong.
void check_domain(const Parameter& parameter);
/// Throws SpaceError for unknown parents and impossible values; returns parents-first order, or
/// throws where conditions go in a circle.
std::vector<std::size_t> check_conditions(const std::vector<Parameter>& parameters);
/// Empty when `value` belongs to the domain, otherwise what is allowed ("a number in [0, 1]").
std::string why_outside(const Domain& domain, const Value& value);

}  // namespace detail
}  // namespace krigon
