#pragma once

#include "kernels/acquisition/sampled.hpp"

namespace krigon {

/// Thompson sampling: where one joint sample of q points is smallest, and how small (Thompson 1933).
struct ThompsonChoice {
  int index;  ///< the first among equals; -1 where the covariance cannot be factorised
  double value;
};

/// moments: q means, then the covariance; z: q standard normals; scratch: sampled_scratch(q).
KRIGON_ELEMENT ThompsonChoice thompson_choice(int q, const double* moments, const double* z,
                                              double* scratch) {
  double* f = scratch + q * q;
  if (!joint_factor(q, moments + q, scratch).ok) return {-1, NAN};
  joint_sample(q, moments, scratch, z, f);
  int at = 0;
  for (int i = 1; i < q; ++i) at = f[i] < f[at] ? i : at;
  return {at, f[at]};
}

/// Minus the smallest value of that joint sample, and its adjoints, shaped as the moments: what moves the
/// points to where this sample is lower. NaN, with adjoints of 0, where the covariance cannot be factorised.
KRIGON_ELEMENT double thompson_value(int q, const double* moments, const double* z, double* adjoint,
                                     double* scratch) {
  double* dl = scratch + q * q;
  double* f = dl + q * q;
  const JointFactor factor = joint_factor(q, moments + q, scratch);
  if (!factor.ok) return no_value(q + q * q, adjoint);
  joint_sample(q, moments, scratch, z, f);
  int at = 0;
  for (int i = 1; i < q; ++i) at = f[i] < f[at] ? i : at;
  for (int i = 0; i < q; ++i) adjoint[i] = i == at ? -1.0 : 0.0;
  for (int i = 0; i < q * q; ++i) dl[i] = 0;
  for (int k = 0; k <= at; ++k) dl[at * q + k] = -z[k];
  factor_adjoint(q, factor, scratch, dl, adjoint + q);
  return -f[at];
}

}  // namespace krigon
