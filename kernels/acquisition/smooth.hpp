#pragma once

#include <cmath>

#include "kernels/normal.hpp"

namespace krigon {

/// Smooth stand-ins for max(x, 0), max, min and a step whose tails fall off algebraically, so that
/// gradients never vanish (Ament et al. 2023). Each with its derivative.

/// How sharp: of the improvement, in model units; of a maximum of logarithms; of a probability's step.
inline constexpr double kTauRelu = 1e-6;
inline constexpr double kTauMax = 1e-2;
inline constexpr double kTauStep = 1e-3;

struct Smooth {
  double value;
  double derivative;
};

/// log of fatplus(x) = ln(1 + e^x) + 0.1 / (1 + x^2). Below x = -50 the first part is lost in the
/// rounding of the second, above 50 it is x: with kTauRelu nearly all arguments are beyond, so both save
/// what they can.
KRIGON_ELEMENT Smooth log_fatplus(double x) {
  constexpr double kWeight = 0.1;
  constexpr double kLogWeight = -2.3025850929940456840;
  x = held_score(x);
  const double square = x * x;
  const double cauchy = 1.0 / (1.0 + square);
  if (x < -50.0) return {kLogWeight - std::log(1.0 + square), -2.0 * x * cauchy};
  if (x > 50.0) {
    const double value = x + kWeight * cauchy;
    return {std::log(value), (1.0 - 2.0 * kWeight * x * cauchy * cauchy) / value};
  }
  const double small = std::exp(x > 0 ? -x : x);  // e^-|x|
  const double softplus = (x > 0 ? x : 0.0) + std::log1p(small);
  const double step = (x > 0 ? 1.0 : small) / (1.0 + small);
  const double value = softplus + kWeight * cauchy;
  return {std::log(value), (step - 2.0 * kWeight * x * cauchy * cauchy) / value};
}

/// log max(gain, 0), smoothed with kTauRelu; the derivative by gain.
KRIGON_ELEMENT Smooth log_improvement(double gain) {
  constexpr double kLogTau = -13.815510557964274104;
  const Smooth s = log_fatplus(gain / kTauRelu);
  return {kLogTau + s.value, s.derivative / kTauRelu};
}

/// log of a step from 0 to 1 at x = 0: 2/3 cauchy(x - m) below, 1 - 2/3 cauchy(x + m) above,
/// cauchy(x) = 1 / (1 + x^2), m = 1/sqrt(3), its inflection: twice continuously differentiable.
KRIGON_ELEMENT Smooth log_fatstep(double x) {
  constexpr double kM = 0.57735026918962576451;
  constexpr double kLogTwoThirds = -0.40546510810816438198;
  x = held_score(x);
  if (x < 0) {
    const double d = x - kM;
    return {kLogTwoThirds - std::log(1.0 + d * d), -2.0 * d / (1.0 + d * d)};
  }
  const double d = x + kM;
  const double below = 2.0 / 3.0 / (1.0 + d * d);
  return {std::log1p(-below), 2.0 * d * below / ((1.0 + d * d) * (1.0 - below))};
}

/// A maximum (sign = 1) or minimum (sign = -1) of the n values x, smoothed with kTauMax: of a maximum M
///   M + tau ln total,  total = sum_i p((M - x_i)/tau),  p(d) = 1/(1 + d + d^2/2)
/// p agrees with e^-d in value, slope and curvature at 0. weight[i]: the derivative of the whole by x[i];
/// they are positive and sum to 1. Never below the maximum (above the minimum).
struct FatExtreme {
  double extreme;  ///< M
  double total;
};

KRIGON_ELEMENT FatExtreme fat_extreme(double sign, int n, const double* x, double* weight) {
  int at = 0;
  for (int i = 1; i < n; ++i) at = sign * x[i] > sign * x[at] ? i : at;
  double total = 0;
  for (int i = 0; i < n; ++i) {
    const double d = sign * (x[at] - x[i]) / kTauMax;
    const double p = 1.0 / (1.0 + d + 0.5 * d * d);
    total += p;
    weight[i] = p * p * (1.0 + d);
  }
  double others = 0;
  for (int i = 0; i < n; ++i) {
    weight[i] /= total;
    others += i == at ? 0.0 : weight[i];
  }
  weight[at] = 1.0 - others;
  return {x[at], total};
}

KRIGON_ELEMENT double fat_maximum(int n, const double* x, double* weight) {
  const FatExtreme most = fat_extreme(1, n, x, weight);
  return most.extreme + kTauMax * std::log(most.total);
}

}  // namespace krigon
