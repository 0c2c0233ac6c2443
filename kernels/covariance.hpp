#pragma once

#include "kernels/covariance_kind.hpp"
#include "kernels/exp.hpp"
#include "kernels/matern52.hpp"
#include "kernels/platform.hpp"

namespace krigon {

/// A stationary covariance of unit variance and the weight that its derivatives share, from the squared
/// distance r2 of two feature vectors u, v:
///   weight = -2 d value / d r2,   d value / d u_k = weight (v_k - u_k)
struct StationaryValue {
  double value;
  double weight;
};

/// (1 + a + a^2/3) e^-a, a = sqrt(5 r2).
struct Matern52Covariance {
  KRIGON_ELEMENT static StationaryValue at(double r2) {
    const Matern52 both = matern52(r2);
    return {both.value, both.weight};
  }
};

/// (1 + a) e^-a, a = sqrt(3 r2).
struct Matern32Covariance {
  KRIGON_ELEMENT static StationaryValue at(double r2) {
    const double a = __builtin_sqrt(3.0 * r2);
    const double e = exp_element(-a);
    return {(1.0 + a) * e, 3.0 * e};
  }
};

/// e^(-r2/2); over the features of a periodic factor, the periodic covariance.
struct RbfCovariance {
  KRIGON_ELEMENT static StationaryValue at(double r2) {
    const double e = exp_element(-0.5 * r2);
    return {e, e};
  }
};

/// By kind; a periodic factor's features are under the rbf. Not for linear.
KRIGON_ELEMENT StationaryValue stationary_value(CovarianceKind kind, double r2) {
  switch (kind) {
    case CovarianceKind::matern32:
      return Matern32Covariance::at(r2);
    case CovarianceKind::rbf:
    case CovarianceKind::periodic:
      return RbfCovariance::at(r2);
    case CovarianceKind::matern52:
    case CovarianceKind::linear:
      break;
  }
  return Matern52Covariance::at(r2);
}

}  // namespace krigon
