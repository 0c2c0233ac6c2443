#pragma once

#include <cmath>

#include "kernels/acquisition/term.hpp"
#include "kernels/normal.hpp"

namespace krigon {

/// log Phi(s), s = side (threshold - mean) / sqrt(variance + noise): that a normal lies below its
/// threshold (side = 1) or above it (side = -1).
KRIGON_ELEMENT Term log_probability_of_side(double side, double threshold, double noise, double mean,
                                            double variance) {
  const double total = variance + noise;
  const double sigma = std::sqrt(total);
  const double s = held_score(side * (threshold - mean) / sigma);
  const LogCdf cdf = log_cdf(s);
  return {cdf.value, -side * cdf.derivative / sigma, -cdf.derivative * s / (2 * total)};
}

}  // namespace krigon
