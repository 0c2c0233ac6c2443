#pragma once

#include <cmath>

#include "kernels/acquisition/term.hpp"

namespace krigon {

/// The lower confidence bound, negated: kappa sigma - mean, kappa = sqrt(beta) of GP-UCB (Srinivas et
/// al. 2010). In the objective's units, not a logarithm: it does not add up with log terms.
inline MarginalTerm confidence_bound(double kappa) {
  return {MarginalKind::confidence_bound, kappa};
}

KRIGON_ELEMENT Term confidence_bound_term(const MarginalTerm& term, double mean, double variance) {
  const double sigma = std::sqrt(variance);
  return {term.a * sigma - mean, -1.0, 0.5 * term.a / sigma};
}

}  // namespace krigon
