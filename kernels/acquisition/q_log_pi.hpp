#pragma once

#include "kernels/acquisition/sampled.hpp"
#include "kernels/acquisition/smooth.hpp"

namespace krigon {

/// Log probability that the best of q points improves on `best`: log P(min_i f_i < best), the step
/// smoothed with kTauStep and the maximum over points with kTauMax (Wilson et al. 2018; tails as in
/// Ament et al. 2023).
inline SampledTerm q_log_pi(double best, int q, int samples, const double* base) {
  return {SampledKind::q_log_pi, best, q, samples, base};
}

struct JointSuccess {
  int q;
  double best;
  KRIGON_ELEMENT double operator()(int, const double* f, double* g, double* work) const {
    double* weight = work + q;
    for (int i = 0; i < q; ++i) {
      const Smooth step = log_fatstep((best - f[i]) / kTauStep);
      work[i] = step.value;
      g[i] = -step.derivative / kTauStep;
    }
    const double value = fat_maximum(q, work, weight);
    for (int i = 0; i < q; ++i) g[i] *= weight[i];
    return value;
  }
};

KRIGON_ELEMENT double q_log_pi_term(const SampledTerm& term, const double* moments, double* adjoint,
                                    double* scratch) {
  return sampled_log_mean(term, 1, moments, JointSuccess{term.q, term.a}, adjoint, scratch);
}

}  // namespace krigon
