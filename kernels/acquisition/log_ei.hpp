#pragma once

#include "kernels/acquisition/term.hpp"
#include "kernels/normal.hpp"

namespace krigon {

/// Log expected improvement below `best`: log E[max(best - f, 0)].
/// Jones, Schonlau, Welch 1998; in log space Ament et al. 2023, eq. 9.
inline MarginalTerm log_ei(double best) {
  return {MarginalKind::log_ei, best};
}

KRIGON_ELEMENT Term log_ei_term(const MarginalTerm& term, double mean, double variance) {
  const LogEi ei = log_expected_improvement(mean, variance, term.a);
  return {ei.value, ei.d_mean, ei.d_variance};
}

}  // namespace krigon
