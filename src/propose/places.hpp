#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/encoding.hpp"
#include "core/history.hpp"
#include "core/random.hpp"

namespace krigon {

/// A canonical point: Encoding::dims() coordinates.
using Point = std::vector<double>;

/// The points that trials of a history hold already: those that ended, cancelled ones left out, and
/// those that are pending. A trial of a space that has changed since holds none.
class Taken {
 public:
  Taken() = default;  ///< none
  Taken(const Encoding& encoding, const History& history);
  bool contains(const Point& point) const { return points_.contains(point); }
  /// Trials, a point tried twice counted twice.
  std::size_t trials() const { return trials_; }

 private:
  std::set<Point> points_;
  std::size_t trials_ = 0;
};

/// The surroundings of pending points. Where a model is sure of its optimum, the next best place after it
/// is right beside it, which teaches nothing: pending points are kept apart by a tenth of a lengthscale
/// (of half the cube's edge where that is shorter), which for a Matern-5/2 kernel is a correlation of
/// 0.992. Points that differ in a categorical coordinate are apart.
class Crowd {
 public:
  /// `log_lengthscale` has one entry per coordinate (more are left alone).
  Crowd(const Encoding& encoding, std::span<const double> log_lengthscale, std::vector<Point> pending);
  bool contains(const Point& point) const;

 private:
  std::vector<double> scale_;  ///< per coordinate; 0: categorical
  std::vector<Point> pending_;
};

/// How many points a finite space may have to be listed.
inline constexpr std::size_t kMostListed = 100'000;

/// Every feasible point of the space, once, in the order of the coordinates. Real parameters without
/// a step get `real_levels` evenly spaced places, the ends among them (0: such a space has no list).
/// nullopt where there is no list, or where it would have more than `most` points before constraints.
std::optional<std::vector<Point>> list_points(const Encoding& encoding, std::size_t most,
                                              std::int64_t real_levels = 0);

/// The first feasible point of a stream that no trial holds.
///
/// `draw(i)` writes the i-th point of the stream (it need not be canonical). Where 10,000 draws beyond
/// those that trials may hold find none, a finite space is searched as a whole (`listed`, made by
/// list_points, nullptr when it has none), from a place that `random` picks. With no free point left,
/// one that was tried before is returned, and `repeated` says so.
/// Throws SpaceError that names the constraints where no draw was feasible.
struct FreePoint {
  Point point;
  bool repeated = false;
};
FreePoint first_free(const Encoding& encoding, const Taken& taken,
                     const std::function<void(std::uint32_t, std::span<double>)>& draw,
                     const std::vector<Point>* listed, Random& random);

/// "no feasible point was found in 10000 draws; the constraints are ..."
[[noreturn]] void throw_infeasible(const Space& space);

/// What Proposal::note says where every point of the space is taken.
inline constexpr const char* kRepeatedNote = "every point of the space was tried: one is repeated";

}  // namespace krigon
