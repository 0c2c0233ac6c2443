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

}  // namespace krigon
