#pragma once

#include "kernels/acquisition/feasibility.hpp"

namespace krigon {

/// Log probability that an observation, with noise of this variance, lies above `threshold`: the
/// feasibility of a constraint y >= threshold. Noise 0 asks about f itself.
inline MarginalTerm log_probability_above(double threshold, double noise) {
  return {MarginalKind::log_probability_above, threshold, noise};
}

KRIGON_ELEMENT Term log_probability_above_term(const MarginalTerm& term, double mean, double variance) {
  return log_probability_of_side(-1, term.a, term.b, mean, variance);
}

}  // namespace krigon
