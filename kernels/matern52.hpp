#pragma once

#include "kernels/exp.hpp"
#include "kernels/platform.hpp"

namespace krigon {

/// Matern-5/2 covariance of unit variance and the weight that every derivative of it shares, from
/// the squared scaled distance r2 (Rasmussen and Williams 2006, eq. 4.17). With a = sqrt(5 r2):
///   value  = (1 + a + a^2/3) e^-a
///   weight = 5/3 (1 + a) e^-a       d value / d ln l_k = weight * (x_k - x'_k)^2 / l_k^2
///                                   d value / d x_k    = weight * (x'_k - x_k) / l_k^2
struct Matern52 {
  double value;
  double weight;
};

KRIGON_ELEMENT Matern52 matern52(double r2) {
  const double a = __builtin_sqrt(5.0 * r2);
  const double e = exp_element(-a);
  const double one_plus_a = 1.0 + a;
  return {e * (one_plus_a + r2 * (5.0 / 3.0)), e * one_plus_a * (5.0 / 3.0)};
}

}  // namespace krigon
