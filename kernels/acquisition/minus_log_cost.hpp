#pragma once

#include "kernels/acquisition/term.hpp"

namespace krigon {

/// Minus the log of the expected cost, to a power, from a model of the log of the cost: added to a log
/// acquisition it is acquisition / cost^power. The model's unit is `unit` in ln(cost) (its outputs are
/// standardised; `centre` of them is ln(cost) at the model's 0):
///   -power (centre + unit mean + unit^2 variance / 2)
/// Snoek, Larochelle, Adams 2012 ("expected improvement per second"); the power that falls from 1 to 0
/// as a budget is spent is the cost cooling of Lee et al. 2020.
inline MarginalTerm minus_log_cost(double power, double unit = 1, double centre = 0) {
  return {MarginalKind::minus_log_cost, power, unit, centre};
}

KRIGON_ELEMENT Term minus_log_cost_term(const MarginalTerm& term, double mean, double variance) {
  const double half = 0.5 * term.b * term.b;
  return {-term.a * (term.c + term.b * mean + half * variance), -term.a * term.b, -term.a * half};
}

}  // namespace krigon
