#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/platform.hpp"

namespace krigon {

/// What a log marginal likelihood is made of (Rasmussen and Williams 2006, eq. 5.8), all outputs together.
struct LikelihoodParts {
  double info;             ///< 0, or why there is none
  double log_determinant;  ///< sum ln L_ii
  double quadratic;        ///< sum of squares of L^-1 (y - c)
  double alpha_sum;        ///< sum of K^-1 (y - c)
  double trace;            ///< of the adjoint of K, (alpha alpha' - T K^-1) / 2
};

KRIGON_ELEMENT double log_likelihood(const LikelihoodParts& p, double n, double outputs) {
  constexpr double kHalfLog2Pi = 0.91893853320467274178;
  return -0.5 * p.quadratic - outputs * (p.log_determinant + n * kHalfLog2Pi);
}

/// d/d ln s2_t beyond the covariance's own: the jitter, jitter (sum s2 + t2), is on the diagonal too.
KRIGON_ELEMENT double jitter_signal_gradient(const LikelihoodParts& p, double signal, double jitter) {
  return p.trace * jitter * signal;
}

/// d/d ln t2.
KRIGON_ELEMENT double noise_gradient(const LikelihoodParts& p, double noise, double jitter) {
  return p.trace * noise * (1.0 + jitter);
}

}  // namespace krigon
