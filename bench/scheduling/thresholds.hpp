#pragma once

#include <memory>
#include <vector>

#include "core/scheduler.hpp"
#include "problems.hpp"

namespace krigon::bench {

/// [t]: the loss reported at step t above which a trial is stopped; infinite where none is.
using Thresholds = std::vector<double>;

/// What the best rule of asha's kind would do if it knew the problem beforehand: thresholds, one a step, that
/// take the fewest steps for each completed trial whose final loss this share of random points reaches. Found
/// step by step, on curves that were drawn (of recorded problems: on all, which are those that are replayed)
/// from several beginnings, so that it is at least as good as what each of these begins with.
///
/// A rule whose thresholds come from what it has seen cannot be expected to save more: it bounds those that
/// look at a trial's present report, not those that look at its whole curve.
Thresholds best_thresholds(Problem problem, double share);

/// Stops by these thresholds.
std::unique_ptr<Scheduler> make_thresholds_scheduler(Thresholds thresholds);

}  // namespace krigon::bench
