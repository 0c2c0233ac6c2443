#pragma once

#include <cmath>
#include <numbers>

#include "kernels/normal.hpp"
#include "propose/acquisition/term.hpp"

namespace krigon {

/// Log probability that a noisy observation lies below `threshold`, in the units of the model:
/// log Phi(s), s = (threshold - mean) / sqrt(variance + noise). Below s = -1 through the scaled
/// complementary error function, which keeps its digits where Phi underflows.
struct LogProbabilityBelow {
  double threshold = 0;
  double noise = 0;  ///< variance

  Term operator()(double mean, double variance) const {
    const double total = variance + noise;
    const double sigma = std::sqrt(total);
    const double s = (threshold - mean) / sigma;
    double value = 0, ratio = 0;  // log Phi, phi / Phi
    if (s > -1) {
      const double cdf = 0.5 * std::erfc(-s / std::numbers::sqrt2);
      value = std::log(cdf);
      ratio = std::exp(-0.5 * s * s) / (std::sqrt(2 * std::numbers::pi) * cdf);
    } else {
      const double scaled = erfcx_element(-s / std::numbers::sqrt2);
      value = std::log(0.5 * scaled) - 0.5 * s * s;
      ratio = std::sqrt(2 / std::numbers::pi) / scaled;
    }
    return {value, -ratio / sigma, -ratio * s / (2 * total)};
  }
};

}  // namespace krigon
