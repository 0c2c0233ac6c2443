#pragma once

#include "kernels/acquisition/sampled.hpp"

namespace krigon {

/// The confidence bound of the best of q points (Wilson et al. 2018, table 1, minimisation):
///   mean over samples of max_i (kappa sqrt(pi/2) |(L z)_i| - mean_i)
/// For q = 1 in expectation confidence_bound(kappa). In the objective's units, not a logarithm.
inline SampledTerm q_confidence_bound(double kappa, int q, int samples, const double* base) {
  return {SampledKind::q_confidence_bound, kappa, q, samples, base};
}

KRIGON_ELEMENT double q_confidence_bound_term(const SampledTerm& term, const double* mean, double* adjoint,
                                              double* scratch) {
  constexpr double kSqrtHalfPi = 1.25331413731550025121;
  const int q = term.q;
  double* l = scratch;
  double* dl = l + q * q;
  const JointFactor factor = joint_factor(q, mean + q, l);
  if (!factor.ok) return no_value(q + q * q, adjoint);
  for (int i = 0; i < q * q; ++i) dl[i] = 0;
  for (int i = 0; i < q; ++i) adjoint[i] = 0;
  const double spread = term.a * kSqrtHalfPi;
  const double share = 1.0 / term.samples;
  double value = 0;
  for (int s = 0; s < term.samples; ++s) {
    const double* z = term.base + s * q;
    double most = 0, sign = 0;
    int at = 0;
    for (int i = 0; i < q; ++i) {
      double deviation = 0;
      for (int k = 0; k <= i; ++k) deviation += l[i * q + k] * z[k];
      const double bound = spread * std::fabs(deviation) - mean[i];
      if (i == 0 || bound > most) {
        most = bound;
        at = i;
        sign = deviation < 0 ? -spread : spread;
      }
    }
    value += share * most;
    adjoint[at] -= share;
    for (int k = 0; k <= at; ++k) dl[at * q + k] += share * sign * z[k];
  }
  factor_adjoint(q, factor, l, dl, adjoint + q);
  return saturated(value);
}

}  // namespace krigon
