#pragma once

#include <cmath>

#include "kernels/platform.hpp"

namespace krigon {

/// e^{x^2} erfc(x) for x >= 0, to a few units in the last place.
///
/// Below 25 by its definition, the square split in two so that the exponential does not magnify its
/// rounding; above by the asymptotic series (Abramowitz and Stegun 7.1.23), whose eighth term is
/// below 1e-18 there.
KRIGON_ELEMENT double erfcx_element(double x) {
  if (x < 25.0) {
    const double high = x * x;
    const double low = std::fma(x, x, -high);
    const double e = std::exp(high);
    return std::erfc(x) * (e + e * low);
  }
  const double t = 0.5 / (x * x);
  const double series =
      1 - t * (1 - 3 * t * (1 - 5 * t * (1 - 7 * t * (1 - 9 * t * (1 - 11 * t * (1 - 13 * t))))));
  return 0.56418958354775628695 / x * series;
}

/// log h and its derivative at u, h(u) = phi(u) + u Phi(u): the expected improvement of a standard
/// normal, whose logarithm stays finite and exact far below where h itself underflows.
struct LogH {
  double value;
  double derivative;  ///< Phi(u) / h(u)
};

/// log h + u^2/2 + ln(2 pi)/2 at u <= -1, and d log h / du.
KRIGON_ELEMENT LogH log_h_tail(double u) {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  const double magnitude = -u;
  const double mills = 1.25331413731550025121 * erfcx_element(magnitude * kSqrtHalf);
  double rest;  // 1 - |u| R
  if (magnitude < 35.0) {
    rest = 1.0 - magnitude * mills;
  } else {
    const double t = 1.0 / (u * u);
    rest = t * (1 - 3 * t * (1 - 5 * t * (1 - 7 * t * (1 - 9 * t * (1 - 11 * t * (1 - 13 * t))))));
  }
  return {u <= -1e6 ? -2.0 * std::log(magnitude) : std::log(rest), mills / rest};
}

/// Branch points of Ament et al. 2023, "Unexpected improvements to expected improvement", eq. 9.
/// With Mills' ratio R = Phi/phi(u) = sqrt(pi/2) erfcx(-u/sqrt(2)):
///   u > -1            directly
///   -1e6 < u <= -1    log h = -u^2/2 - ln(2 pi)/2 + ln(1 - |u| R); log1mexp(w), w = ln(|u| R), there
///   u <= -1e6         log h = -u^2/2 - ln(2 pi)/2 - 2 ln|u|
/// 1 - |u| R cancels to 1/u^2, which costs digits as u falls, first of the derivative; from -35 down
/// its own asymptotic series keeps them all. Finite for u >= -1e150.
KRIGON_ELEMENT LogH log_h(double u) {
  constexpr double kHalfLog2Pi = 0.91893853320467274178;
  constexpr double kSqrtHalf = 0.70710678118654752440;
  if (u > -1.0) {
    const double phi = std::exp(-0.5 * u * u - kHalfLog2Pi);
    const double cdf = 0.5 * std::erfc(-u * kSqrtHalf);
    const double h = phi + u * cdf;
    return {std::log(h), cdf / h};
  }
  const LogH tail = log_h_tail(u);
  return {-0.5 * u * u - kHalfLog2Pi + tail.value, tail.derivative};
}

/// log Phi and its derivative at s, phi(s) / Phi(s). Below s = -1 through the scaled complementary error
/// function, which keeps its digits where Phi underflows. Finite for |s| <= 1e150.
struct LogCdf {
  double value;
  double derivative;
};

KRIGON_ELEMENT LogCdf log_cdf(double s) {
  constexpr double kSqrt2 = 1.41421356237309504880;
  constexpr double kSqrt2Pi = 2.50662827463100050242;
  constexpr double kSqrt2OverPi = 0.79788456080286535588;
  if (s > -1.0) {
    const double cdf = 0.5 * std::erfc(-s / kSqrt2);
    return {std::log(cdf), std::exp(-0.5 * s * s) / (kSqrt2Pi * cdf)};
  }
  const double scaled = erfcx_element(-s / kSqrt2);
  return {std::log(0.5 * scaled) - 0.5 * s * s, kSqrt2OverPi / scaled};
}

/// A distance in standard deviations, held where its square and what follows from it stay finite.
KRIGON_ELEMENT double held_score(double u) {
  u = u > 1e150 ? 1e150 : u;
  return u < -1e150 ? -1e150 : u;
}

/// Log expected improvement below `best` (minimisation) of a normal with this mean and variance > 0.
struct LogEi {
  double value;
  double d_mean;
  double d_variance;
};

KRIGON_ELEMENT LogEi log_expected_improvement(double mean, double variance, double best) {
  const double sigma = std::sqrt(variance);
  const double u = held_score((best - mean) / sigma);
  const LogH h = log_h(u);
  return {h.value + 0.5 * std::log(variance), -h.derivative / sigma,
          (1.0 - u * h.derivative) / (2.0 * variance)};
}

}  // namespace krigon
