#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "kernels/acquisition/joint.hpp"
#include "kernels/acquisition/term.hpp"

namespace krigon {

/// The sampled acquisitions of one objective there are, one line each: KRIGON_SAMPLED(X) is X(name) for
/// all of them. For each, kernels/acquisition/<name>.hpp has
/// `double <name>_term(const SampledTerm&, moments, adjoint, scratch)`.
#define KRIGON_SAMPLED(X) \
  X(q_log_ei)             \
  X(q_log_nei)            \
  X(q_log_pi)             \
  X(q_confidence_bound)

#define KRIGON_ENUMERATOR(name) name,
enum class SampledKind : std::int32_t { KRIGON_SAMPLED(KRIGON_ENUMERATOR) };
#undef KRIGON_ENUMERATOR

/// An acquisition of q points at once: the mean of a utility over joint samples f = mean + L z, with
/// fixed z (Wilson et al. 2018), or the log of that mean. Larger is better; objectives are minimised.
/// Plain bytes; the pointers are to memory of the device that evaluates it.
struct SampledTerm {
  SampledKind kind = SampledKind::q_log_ei;
  double a = 0;  ///< see the kind's maker
  std::int32_t q = 1;
  std::int32_t samples = 1;       ///< S
  const double* base = nullptr;   ///< S x q, row-major: z of each sample, standard normal
  const double* bests = nullptr;  ///< S: the incumbent of each sample (q_log_nei)
};

/// Moments as the backend lays them out: the means, then the covariance (q x q). A common mean is q
/// values; means of each sample (q_log_nei) are S x q, sample after sample. Adjoints are shaped alike.
KRIGON_ELEMENT int moment_count(const SampledTerm& term) {
  const int means = term.kind == SampledKind::q_log_nei ? term.samples : 1;
  return term.q * (means + term.q);
}

/// Doubles of work space that an evaluation needs.
KRIGON_ELEMENT int sampled_scratch(int q) {
  return 2 * q * q + 4 * q;
}

/// The value where a covariance cannot be factorised: NaN, with adjoints of 0.
KRIGON_ELEMENT double no_value(int count, double* adjoint) {
  for (int i = 0; i < count; ++i) adjoint[i] = 0;
  return NAN;
}

/// A log-mean-exp that is made one sample at a time, relative to the largest so far, together with what
/// goes with each sample in proportion to its weight.
struct LogMean {
  double most = -DBL_MAX;
  double sum = 0;
};

/// Takes in one more log value. Returns its weight; everything that was weighted before is to be
/// multiplied by `scale` first (1 except at a new maximum).
KRIGON_ELEMENT double take(LogMean& mean, double value, double& scale) {
  scale = 1;
  if (!(value <= mean.most)) {
    scale = std::exp(mean.most - value);
    mean.most = value;
    mean.sum *= scale;
  }
  const double weight = std::exp(value - mean.most);
  mean.sum += weight;
  return weight;
}

/// The log of the mean over samples of e^utility. `utility(s, f, g, work)` returns the log utility of
/// sample s with values f (q), and writes its derivatives by f to g; work: 2 q values. `means` is 1 or S.
template <class Utility>
KRIGON_ELEMENT double sampled_log_mean(const SampledTerm& term, int means, const double* moments,
                                       const Utility& utility, double* adjoint, double* scratch) {
  const int q = term.q;
  const double* covariance = moments + means * q;
  double* d_covariance = adjoint + means * q;
  double* l = scratch;
  double* dl = l + q * q;
  double* f = dl + q * q;
  double* g = f + q;
  double* work = g + q;
  const JointFactor factor = joint_factor(q, covariance, l);
  if (!factor.ok) return no_value(q * (means + q), adjoint);
  for (int i = 0; i < q * q; ++i) dl[i] = 0;
  for (int i = 0; i < means * q; ++i) adjoint[i] = 0;
  LogMean mean;
  for (int s = 0; s < term.samples; ++s) {
    const double* z = term.base + s * q;
    const int row = means == 1 ? 0 : s * q;
    joint_sample(q, moments + row, l, z, f);
    double scale;
    const double weight = take(mean, utility(s, f, g, work), scale);
    if (scale != 1.0) {
      const int done = means == 1 ? q : s * q;
      for (int i = 0; i < done; ++i) adjoint[i] *= scale;
      for (int i = 0; i < q * q; ++i) dl[i] *= scale;
    }
    for (int i = 0; i < q; ++i) {
      const double share = weight * g[i];
      adjoint[row + i] += share;
      for (int k = 0; k <= i; ++k) dl[i * q + k] += share * z[k];
    }
  }
  for (int i = 0; i < means * q; ++i) adjoint[i] = saturated(adjoint[i] / mean.sum);
  for (int i = 0; i < q * q; ++i) dl[i] /= mean.sum;
  factor_adjoint(q, factor, l, dl, d_covariance);
  return saturated(mean.most + std::log(mean.sum / term.samples));
}

}  // namespace krigon
