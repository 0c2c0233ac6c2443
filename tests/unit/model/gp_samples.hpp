#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "core/random.hpp"
#include "model/gp.hpp"

namespace krigon {

/// A smooth function whose columns matter less and less.
inline double sample_function(std::span<const double> x) {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double weight = 1.0 / static_cast<double>(1 + k);
    sum += weight * std::sin(3 * x[k] + static_cast<double>(k)) + 0.5 * weight * x[k] * x[(k + 1) % x.size()];
  }
  return sum;
}

inline GpData sample_data(std::size_t n, std::size_t columns, std::uint64_t seed, double noise = 0.02) {
  Random random(seed, n, Purpose::candidates);
  GpData data;
  data.n = n;
  for (std::size_t k = 0; k < columns; ++k) data.groups.push_back(static_cast<std::int32_t>(k));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < columns; ++k) data.columns.push_back(random.uniform());
    data.y.push_back(sample_function(std::span(data.columns).last(columns)) + noise * random.normal());
  }
  return data;
}

}  // namespace krigon
