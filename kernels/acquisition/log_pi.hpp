#pragma once

#include "kernels/acquisition/feasibility.hpp"

namespace krigon {

/// Log probability of improvement: log P(f < best - least). A `least` improvement > 0 keeps it from
/// creeping along the incumbent. Kushner 1964.
inline MarginalTerm log_pi(double best, double least = 0) {
  return {MarginalKind::log_pi, best, least};
}

KRIGON_ELEMENT Term log_pi_term(const MarginalTerm& term, double mean, double variance) {
  return log_probability_of_side(1, term.a - term.b, 0, mean, variance);
}

}  // namespace krigon
