#pragma once

#include <vector>

#include "propose/maximise.hpp"

namespace krigon {

/// A canonical feasible point and its acquisition value.
struct Candidate {
  Point point;
  double value = 0;
};

/// Values of canonical points; NaN never, -infinity where the acquisition is not finite, and
/// where a strict problem keeps out.
std::vector<double> values_of(const MaximiseProblem& problem, std::span<const Point> points);

/// Refines every start; none gets worse, all stay feasible.
void refine(const MaximiseProblem& problem, const MaximiseOptions& options, std::vector<Candidate>& starts);

}  // namespace krigon
