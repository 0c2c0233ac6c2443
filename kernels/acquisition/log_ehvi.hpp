#pragma once

#include <cfloat>
#include <cmath>

#include "kernels/acquisition/boxes.hpp"
#include "kernels/acquisition/sampled.hpp"
#include "kernels/acquisition/term.hpp"
#include "kernels/normal.hpp"

namespace krigon {

/// Log of the expected length of [lower, upper] that lies above a normal f:
///   log E[max(upper - max(f, lower), 0)] = log integral of Phi((t - mean)/sigma) over t in [lower, upper]
/// and its derivatives. lower < upper; lower may be -infinity, which makes it log EI below `upper`.
///
/// The integral is sigma (h(u) - h(l)), h of log_h, u and l the ends in standard deviations. That
/// difference is taken where it has digits: by Gauss and Legendre's rule with five nodes where Phi changes
/// little (error below 1e-15 of the whole); through the upper tail for l > 0; else as
/// h(u) (1 - e^delta), delta = log h(l) - log h(u), in whose exponents the squares are never subtracted.
KRIGON_ELEMENT Term log_expected_length(double lower, double upper, double mean, double variance) {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  constexpr double kInvSqrt2Pi = 0.39894228040143267794;
  const double sigma = std::sqrt(variance);
  if (lower < -DBL_MAX) {
    const LogEi ei = log_expected_improvement(mean, variance, upper);
    return {ei.value, ei.d_mean, ei.d_variance};
  }
  const double length = upper - lower;
  const double width = length / sigma;
  const double u = held_score((upper - mean) / sigma);
  const double l = held_score(u - width);
  if (width * (l < -1.0 ? -l : 1.0) < 0.5) {
    constexpr int kNodes = 5;
    constexpr double node[kNodes] = {0.04691007703066800360, 0.23076534494715845448, 0.5,
                                     0.76923465505284154552, 0.95308992296933199640};
    constexpr double weight[kNodes] = {0.11846344252809454376, 0.23931433524968323402, 0.28444444444444444444,
                                       0.23931433524968323402, 0.11846344252809454376};
    const bool tail = u <= -1.0;  // then relative to e^{-u^2/2}
    double whole = 0, mass = 0, slope = 0;
    for (int i = 0; i < kNodes; ++i) {
      const double step = width * node[i];
      const double z = u - step;
      const double e = weight[i] * std::exp(tail ? 0.5 * step * (z + u) : -0.5 * z * z);
      const double phi = kInvSqrt2Pi * e;
      whole += tail ? 0.5 * erfcx_element(-z * kSqrtHalf) * e : 0.5 * std::erfc(-z * kSqrtHalf) * weight[i];
      mass += phi;
      slope += phi * z;
    }
    const double head = tail ? -0.5 * u * u : 0.0;
    return {std::log(length) + head + std::log(whole), -mass / whole / sigma,
            -0.5 * slope / whole / variance};
  }
  if (l > 0) {
    const double above_l = std::exp(log_h(-l).value), above_u = std::exp(log_h(-u).value);
    const double whole = width - (above_l - above_u);
    const double mass = 0.5 * (std::erfc(l * kSqrtHalf) - std::erfc(u * kSqrtHalf));
    const double slope = kInvSqrt2Pi * (std::exp(-0.5 * u * u) - std::exp(-0.5 * l * l));
    return {std::log(sigma) + std::log(whole), -mass / whole / sigma, 0.5 * slope / whole / variance};
  }
  const bool tail = u <= -1.0;
  const LogH at_u = tail ? log_h_tail(u) : log_h(u);
  const LogH at_l = tail ? log_h_tail(l) : log_h(l);
  const double delta = at_l.value - at_u.value + (tail ? 0.5 * width * (l + u) : 0.0);
  const double ratio = std::exp(delta);
  const double rest = -std::expm1(delta);
  constexpr double kHalfLog2Pi = 0.91893853320467274178;
  const double head = tail ? -0.5 * u * u - kHalfLog2Pi : 0.0;
  const double l_share = ratio > 0 ? ratio * at_l.derivative : 0.0;
  const double l_slope = ratio > 0 ? ratio * (1.0 - l * at_l.derivative) : 0.0;
  return {head + at_u.value + std::log(sigma) + std::log(rest), -(at_u.derivative - l_share) / rest / sigma,
          0.5 * (1.0 - u * at_u.derivative - l_slope) / rest / variance};
}

/// Log expected hypervolume improvement of one point with independent objectives, exact:
///   log sum over boxes of prod over objectives of E[length of the box above f]
/// (Emmerich, Giannakoglou, Naujoks 2006; the boxes as in Yang, Emmerich, Deutz, Baeck 2019).
/// mean, variance, d_mean, d_variance: one per objective. Finite for finite moments, unless there are no
/// boxes, where it is -infinity with gradients of 0.
KRIGON_ELEMENT double log_ehvi(const BoxSet& boxes, const double* mean, const double* variance,
                               double* d_mean, double* d_variance) {
  const int objectives = boxes.objectives;
  for (int m = 0; m < objectives; ++m) d_mean[m] = d_variance[m] = 0;
  if (boxes.count == 0) return -INFINITY;
  LogMean total;
  for (int b = 0; b < boxes.count; ++b) {
    Term side[kMostObjectives];
    double value = 0;
    for (int m = 0; m < objectives; ++m) {
      const int at = b * objectives + m;
      side[m] = log_expected_length(boxes.lower[at], boxes.upper[at], mean[m], variance[m]);
      value += side[m].value;
    }
    double scale;
    const double weight = take(total, saturated(value), scale);
    for (int m = 0; m < objectives; ++m) {
      d_mean[m] = d_mean[m] * scale + weight * saturated(side[m].d_mean);
      d_variance[m] = d_variance[m] * scale + weight * saturated(side[m].d_variance);
    }
  }
  for (int m = 0; m < objectives; ++m) {
    d_mean[m] = saturated(d_mean[m] / total.sum);
    d_variance[m] = saturated(d_variance[m] / total.sum);
  }
  return saturated(total.most + std::log(total.sum));
}

}  // namespace krigon
