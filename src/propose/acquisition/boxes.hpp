#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/acquisition/boxes.hpp"

namespace krigon {

/// Sets of points in objective space, all objectives minimised: n x M, row-major.

/// Disjoint boxes: corners count x M, row-major. A lower corner may be -infinity.
struct Boxes {
  std::size_t objectives = 0;
  std::vector<double> lower;
  std::vector<double> upper;

  std::size_t count() const { return objectives == 0 ? 0 : lower.size() / objectives; }
  BoxSet view() const;
};

/// Indices of the points that no other dominates (is no worse in all objectives and better in one); of
/// equal points the first. Ascending.
std::vector<std::size_t> non_dominated(std::span<const double> points, std::size_t objectives);

/// The front of each point: 0 for what no point dominates, 1 for what then remains, ... Equal points
/// share a front (Deb et al. 2002).
std::vector<std::size_t> non_dominated_fronts(std::span<const double> points, std::size_t objectives);

/// The part dominated by the points and better than the reference, as disjoint boxes. Points that are
/// not better than the reference in every objective do not count.
Boxes dominated_boxes(std::span<const double> points, std::span<const double> reference);

/// The part better than the reference that no point dominates, as disjoint boxes: where a new point
/// improves the hypervolume.
Boxes improvement_boxes(std::span<const double> points, std::span<const double> reference);

/// The volume of the dominated part.
double hypervolume(std::span<const double> points, std::span<const double> reference);

}  // namespace krigon
