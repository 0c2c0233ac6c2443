#pragma once

#include "kernels/acquisition/sampled.hpp"
#include "kernels/acquisition/smooth.hpp"

namespace krigon {

/// Log expected improvement below `best` of the best of q points: log E[max_i max(best - f_i, 0)], both
/// maxima smoothed (Ament et al. 2023).
inline SampledTerm q_log_ei(double best, int q, int samples, const double* base) {
  return {SampledKind::q_log_ei, best, q, samples, base};
}

/// The smoothed log improvement below `best` of values f, and its derivatives g. work: 2 q values.
KRIGON_ELEMENT double log_joint_improvement(int q, double best, const double* f, double* g, double* work) {
  double* weight = work + q;
  for (int i = 0; i < q; ++i) {
    const Smooth improvement = log_improvement(best - f[i]);
    work[i] = improvement.value;
    g[i] = -improvement.derivative;
  }
  const double value = fat_maximum(q, work, weight);
  for (int i = 0; i < q; ++i) g[i] *= weight[i];
  return value;
}

struct JointImprovement {
  int q;
  double best;
  KRIGON_ELEMENT double operator()(int, const double* f, double* g, double* work) const {
    return log_joint_improvement(q, best, f, g, work);
  }
};

KRIGON_ELEMENT double q_log_ei_term(const SampledTerm& term, const double* moments, double* adjoint,
                                    double* scratch) {
  return sampled_log_mean(term, 1, moments, JointImprovement{term.q, term.a}, adjoint, scratch);
}

}  // namespace krigon
