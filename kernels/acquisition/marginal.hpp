#pragma once

#include "kernels/acquisition/confidence_bound.hpp"
#include "kernels/acquisition/log_ei.hpp"
#include "kernels/acquisition/log_gibbon.hpp"
#include "kernels/acquisition/log_pi.hpp"
#include "kernels/acquisition/log_probability_above.hpp"
#include "kernels/acquisition/log_probability_below.hpp"
#include "kernels/acquisition/log_variance.hpp"
#include "kernels/acquisition/minus_log_cost.hpp"
#include "kernels/acquisition/term.hpp"

namespace krigon {

/// The term and its adjoints at one candidate's mean and variance (> 0). Finite for finite arguments:
/// what overflows is the largest finite number of its sign. NaN in, NaN out.
KRIGON_ELEMENT Term marginal_term(const MarginalTerm& term, double mean, double variance) {
  Term result;
  switch (term.kind) {
#define KRIGON_CASE(name)                       \
  case MarginalKind::name:                      \
    result = name##_term(term, mean, variance); \
    break;
    KRIGON_MARGINALS(KRIGON_CASE)
#undef KRIGON_CASE
  }
  return {saturated(result.value), saturated(result.d_mean), saturated(result.d_variance)};
}

}  // namespace krigon
