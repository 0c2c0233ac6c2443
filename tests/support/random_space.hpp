#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "krigon/space.hpp"

namespace krigon::testing {

/// A domain of any kind, its ends far apart or close, around zero or far from it.
inline Domain random_domain(Random& random) {
  const auto within = [&](double low, double high) { return low + (high - low) * random.uniform(); };
  switch (random.below(7)) {
    case 0: {
      const double low = within(-1, 1) * std::pow(10, within(-8, 8));
      return RealDomain{low, low + std::pow(10, within(-6, 8)) + std::abs(low) * 1e-6, Scale::linear, {}};
    }
    case 1: {
      const double low = std::pow(10, within(-12, 3));
      return RealDomain{low, low * (1 + std::pow(10, within(-3, 9))), Scale::log, {}};
    }
    case 2: {
      const double step = std::pow(10, within(-4, 4));
      const double low = within(-100, 100);
      return RealDomain{low, low + step * within(1, 50), Scale::linear, step};
    }
    case 3: {
      const auto step = static_cast<std::int64_t>(1 + random.below(5));
      const auto low = static_cast<std::int64_t>(random.below(2000)) - 1000;
      return IntegerDomain{low, low + step + static_cast<std::int64_t>(random.below(3000)), Scale::linear,
                           step};
    }
    case 4: {
      const auto low = static_cast<std::int64_t>(1 + random.below(100));
      const auto more = static_cast<std::int64_t>(1 + random.below(1u << (1 + random.below(30))));
      return IntegerDomain{low, low + more, Scale::log, 1};
    }
    default: {
      std::vector<Value> values;
      const std::uint64_t count = 1 + random.below(5);
      for (std::uint64_t i = 0; i < count; ++i) {
        if (random.below(2) == 0) {
          values.emplace_back("v" + std::to_string(i));
        } else {
          values.emplace_back(static_cast<std::int64_t>(i * i));
        }
      }
      return CategoricalDomain{std::move(values), random.below(2) == 0};
    }
  }
}

/// Up to eight parameters, half of them under conditions on integers, lists or constants before them.
inline Space random_space(std::uint64_t seed) {
  Random random(seed, 0, Purpose::candidates);
  std::vector<Parameter> parameters;
  const std::uint64_t count = 1 + random.below(8);
  for (std::uint64_t i = 0; i < count; ++i) {
    Parameter p{"p" + std::to_string(i), random_domain(random), {}};
    if (random.below(10) == 0) p.domain = ConstantDomain{std::int64_t{3}};
    if (i > 0 && random.below(2) == 0) {
      const Parameter& parent = parameters[random.below(i)];
      Condition condition{parent.name, {}};
      if (const auto* list = std::get_if<CategoricalDomain>(&parent.domain)) {
        condition.values = {list->values.front(), list->values.back()};
      } else if (const auto* integer = std::get_if<IntegerDomain>(&parent.domain)) {
        for (std::int64_t k = 0; k <= (integer->max - integer->min) / integer->step && k < 40; ++k) {
          condition.values.emplace_back(integer->min + k * integer->step);
        }
      } else if (const auto* constant = std::get_if<ConstantDomain>(&parent.domain)) {
        condition.values = {constant->value};
      }
      if (!condition.values.empty()) p.when.push_back(condition);
    }
    parameters.push_back(std::move(p));
  }
  return Space(std::move(parameters));
}

}  // namespace krigon::testing
