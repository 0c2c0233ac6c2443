#pragma once

#include <cfloat>
#include <cstdint>

#include "kernels/platform.hpp"

namespace krigon {

/// One term of an acquisition function and its adjoints: what it is at a candidate's mean and variance,
/// and its derivatives by them. Larger is better; objectives are minimised; model units; the variance is
/// that of the latent function and > 0.
struct Term {
  double value = 0;
  double d_mean = 0;
  double d_variance = 0;
};

/// The marginal acquisitions there are, one line each: KRIGON_MARGINALS(X) is X(name) for all of them.
/// For each, kernels/acquisition/<name>.hpp has `Term <name>_term(const MarginalTerm&, mean, variance)`.
#define KRIGON_MARGINALS(X) \
  X(log_ei)                 \
  X(log_pi)                 \
  X(confidence_bound)       \
  X(log_probability_below)  \
  X(log_probability_above)  \
  X(minus_log_cost)         \
  X(log_gibbon)             \
  X(log_variance)

#define KRIGON_ENUMERATOR(name) name,
enum class MarginalKind : std::int32_t { KRIGON_MARGINALS(KRIGON_ENUMERATOR) };
#undef KRIGON_ENUMERATOR

/// A marginal acquisition: which function of one candidate's mean and variance, and its constants, whose
/// meaning is the kind's (see the maker in its file). Plain bytes: handed to a device as it is.
struct MarginalTerm {
  static constexpr int kMostSamples = 16;

  MarginalKind kind = MarginalKind::log_variance;
  double a = 0;
  double b = 0;
  double c = 0;
  std::int32_t samples = 0;          ///< entries of `sample` in use
  double sample[kMostSamples] = {};  ///< for what is averaged over samples of an unknown
};

/// x, or the largest finite number of its sign where it overflowed. NaN stays NaN.
KRIGON_ELEMENT double saturated(double x) {
  x = x > DBL_MAX ? DBL_MAX : x;
  return x < -DBL_MAX ? -DBL_MAX : x;
}

}  // namespace krigon
