#pragma once

#include <span>

namespace krigon {

/// Log knowledge gradient of one point, exact over a set of places to settle on afterwards (Frazier,
/// Powell, Dayanik 2009): the log of how much the smallest posterior mean over the places is expected to
/// fall through one noisy observation of the first of them,
///   log(min_a mean_a - E[min_a (mean_a + s_a Z)]),  s_a = covariance(0, a) / sqrt(variance_0 + noise)
///
/// `moments`: of n >= 1 places, the observed point first: n means, then the n x n covariance of f (of which
/// only the first row and column are read); `noise`: the observation's variance. `adjoint`, shaped alike:
/// the derivatives of the log, with the covariance's over all its entries (symmetric).
///
/// The logarithm is of a sum of positive terms, one per corner of the upper envelope of the lines
/// -mean_a + s_a z, each in log space: it stays exact where the gain itself underflows. -infinity, with
/// adjoints of 0, where no observation could change the choice; NaN where a moment is not finite.
double log_knowledge_gradient(std::span<const double> moments, double noise, std::span<double> adjoint);

}  // namespace krigon
