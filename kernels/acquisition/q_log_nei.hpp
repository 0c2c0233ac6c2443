#pragma once

#include "kernels/acquisition/q_log_ei.hpp"

namespace krigon {

/// Log noisy expected improvement of q points (Letham et al. 2019; Ament et al. 2023): where the values
/// at the observed points are uncertain, improvement is over sample s of the smallest of them,
/// `bests`[s], and the points' moments are those given that sample: S means of q points that share one
/// covariance. For one point each sample's expected improvement is exact, and only their mean is sampled.
inline SampledTerm q_log_nei(int q, int samples, const double* base, const double* bests) {
  return {SampledKind::q_log_nei, 0, q, samples, base, bests};
}

struct JointNoisyImprovement {
  int q;
  const double* bests;
  KRIGON_ELEMENT double operator()(int s, const double* f, double* g, double* work) const {
    return log_joint_improvement(q, bests[s], f, g, work);
  }
};

KRIGON_ELEMENT double log_nei_of_one(const SampledTerm& term, const double* moments, double* adjoint) {
  const int samples = term.samples;
  const double variance = moments[samples];
  if (!(variance <= DBL_MAX)) return no_value(samples + 1, adjoint);
  const bool held = !(variance > 1e-20);  // rounding took it to 0 or below
  LogMean mean;
  double d_variance = 0;
  for (int s = 0; s < samples; ++s) {
    const LogEi ei = log_expected_improvement(moments[s], held ? 1e-20 : variance, term.bests[s]);
    double scale;
    const double weight = take(mean, saturated(ei.value), scale);
    if (scale != 1.0) {
      for (int i = 0; i < s; ++i) adjoint[i] *= scale;
      d_variance *= scale;
    }
    adjoint[s] = weight * saturated(ei.d_mean);
    d_variance += weight * saturated(ei.d_variance);
  }
  for (int s = 0; s < samples; ++s) adjoint[s] = saturated(adjoint[s] / mean.sum);
  adjoint[samples] = held ? 0.0 : saturated(d_variance / mean.sum);
  return saturated(mean.most + std::log(mean.sum / samples));
}

KRIGON_ELEMENT double q_log_nei_term(const SampledTerm& term, const double* moments, double* adjoint,
                                     double* scratch) {
  if (term.q == 1) return log_nei_of_one(term, moments, adjoint);
  return sampled_log_mean(term, term.samples, moments, JointNoisyImprovement{term.q, term.bests}, adjoint,
                          scratch);
}

}  // namespace krigon
