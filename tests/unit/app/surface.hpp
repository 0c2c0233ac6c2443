#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "krigon/gp.hpp"

namespace krigon {

/// Points of a low-discrepancy sequence over [0, 10] x [-1, 1].
inline std::vector<double> points(std::size_t n, double offset = 0) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i + 1) + offset;
    x.push_back(10 * std::fmod(t * 0.7548776662, 1.0));
    x.push_back(2 * std::fmod(t * 0.5698402910, 1.0) - 1);
  }
  return x;
}

inline double surface(double a, double b) {
  return 300 + 40 * std::sin(0.8 * a) * std::exp(-0.1 * a) + 25 * b * b;
}

inline std::vector<double> surface_at(const std::vector<double>& x) {
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); i += 2) y.push_back(surface(x[i], x[i + 1]));
  return y;
}

inline GpOptions boxed() {
  GpOptions options;
  options.lower = {0, -1};
  options.upper = {10, 1};
  return options;
}

}  // namespace krigon
