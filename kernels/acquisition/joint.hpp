#pragma once

#include <cmath>

#include "kernels/acquisition/term.hpp"

namespace krigon {

/// Factors of the covariance of q points, and the adjoint of that. Matrices are q x q; l(i, j) is
/// l[i * q + j], j <= i; a covariance is symmetric and stored whole.

/// How a covariance was made positive definite: `jitter` times its largest diagonal entry, at `widest`,
/// was added to the whole diagonal; the derivative of that is part of factor_adjoint.
struct JointFactor {
  bool ok;
  double jitter;
  int widest;  ///< -1: no entry is above the least scale
};

/// Makes l l' = covariance + jitter I. There is always some jitter, 1e-12 of the largest variance, so
/// that points that coincide are a normal case; more (up to 1e-4) where rounding made the covariance
/// more indefinite than that. Not ok: an entry is not finite, or it is no covariance.
KRIGON_ELEMENT JointFactor joint_factor(int q, const double* covariance, double* l) {
  constexpr double kLeastScale = 1e-20;
  double scale = kLeastScale;
  int widest = -1;
  for (int i = 0; i < q; ++i) {
    if (covariance[i * q + i] > scale) {
      scale = covariance[i * q + i];
      widest = i;
    }
  }
  for (double jitter = 1e-12; jitter < 1e-3; jitter *= 100) {
    bool ok = true;
    for (int i = 0; i < q && ok; ++i) {
      for (int j = 0; j <= i; ++j) {
        double sum = covariance[i * q + j] + (i == j ? jitter * scale : 0.0);
        for (int k = 0; k < j; ++k) sum -= l[i * q + k] * l[j * q + k];
        if (i != j) {
          l[i * q + j] = sum / l[j * q + j];
        } else if (sum > 0.5 * jitter * scale && sum <= DBL_MAX) {
          l[i * q + i] = std::sqrt(sum);
        } else {
          ok = false;
        }
      }
    }
    if (ok) return {true, jitter, widest};
  }
  return {false, 0, -1};
}

/// The adjoint of joint_factor: from dl(i, j) = d value / d l(i, j), j <= i, the symmetric d with
/// d value = sum_ij d(i, j) d covariance(i, j) over all i and j. dl is overwritten.
///   d = 1/2 L^-T (F + F') L^-1, F = the lower triangle of L' dL with half its diagonal
/// (Murray 2016, "Differentiation of the Cholesky decomposition").
KRIGON_ELEMENT void factor_adjoint(int q, const JointFactor& factor, const double* l, const double* dl,
                                   double* d) {
  for (int i = 0; i < q; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = 0;
      for (int k = i; k < q; ++k) sum += l[k * q + i] * dl[k * q + j];
      d[i * q + j] = d[j * q + i] = 0.5 * sum;
    }
  }
  for (int c = 0; c < q; ++c) {  // d := L^-T d
    for (int i = q - 1; i >= 0; --i) {
      double sum = d[i * q + c];
      for (int k = i + 1; k < q; ++k) sum -= l[k * q + i] * d[k * q + c];
      d[i * q + c] = sum / l[i * q + i];
    }
  }
  for (int r = 0; r < q; ++r) {  // d := d L^-1
    for (int i = q - 1; i >= 0; --i) {
      double sum = d[r * q + i];
      for (int k = i + 1; k < q; ++k) sum -= l[k * q + i] * d[r * q + k];
      d[r * q + i] = sum / l[i * q + i];
    }
  }
  double trace = 0;
  for (int i = 0; i < q; ++i) {
    trace += d[i * q + i];
    for (int j = 0; j < i; ++j) {
      d[i * q + j] = d[j * q + i] = saturated(0.5 * (d[i * q + j] + d[j * q + i]));
    }
  }
  if (factor.widest >= 0) d[factor.widest * q + factor.widest] += factor.jitter * trace;
  for (int i = 0; i < q; ++i) d[i * q + i] = saturated(d[i * q + i]);
}

/// f := mean + L z.
KRIGON_ELEMENT void joint_sample(int q, const double* mean, const double* l, const double* z, double* f) {
  for (int i = 0; i < q; ++i) {
    double sum = mean[i];
    for (int k = 0; k <= i; ++k) sum += l[i * q + k] * z[k];
    f[i] = sum;
  }
}

}  // namespace krigon
