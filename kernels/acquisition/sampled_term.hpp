#pragma once

#include "kernels/acquisition/q_confidence_bound.hpp"
#include "kernels/acquisition/q_log_ei.hpp"
#include "kernels/acquisition/q_log_nei.hpp"
#include "kernels/acquisition/q_log_pi.hpp"
#include "kernels/acquisition/sampled.hpp"

namespace krigon {

/// The value of a sampled acquisition at one group of q points, from their moments, and its adjoints:
/// `adjoint`, shaped as `moments` (moment_count(term) values). The covariance's adjoint is symmetric, and
/// is over all its q x q entries: d value = sum_ij adjoint(i, j) d covariance(i, j). `scratch`:
/// sampled_scratch(term.q) doubles. NaN, with adjoints of 0, where the covariance cannot be factorised;
/// else finite for finite moments.
KRIGON_ELEMENT double sampled_term(const SampledTerm& term, const double* moments, double* adjoint,
                                   double* scratch) {
  switch (term.kind) {
#define KRIGON_CASE(name) \
  case SampledKind::name: \
    return name##_term(term, moments, adjoint, scratch);
    KRIGON_SAMPLED(KRIGON_CASE)
#undef KRIGON_CASE
  }
  return NAN;
}

}  // namespace krigon
