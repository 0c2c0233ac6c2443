#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "app/acquisition/search.hpp"

namespace krigon {

/// A group of points with its value.
struct ValuedGroup {
  std::vector<double> x;  ///< q x d
  double value = 0;
};

/// Moves groups (m q x d) to where their values are higher; ends that are not finite may be left out.
using RefineGroups = std::function<std::vector<ValuedGroup>(std::span<const double> groups)>;

struct ExchangeOptions {
  std::size_t evaluations = 1024;  ///< of a round's exchanges, about
  std::size_t starts = 10;         ///< exchanges that a round refines
};

/// Improves a group by exchanging a point for one of the pool (m x d, none is fine), refining the best of
/// these exchanges, and so on while that gains.
///
/// Of optimal designs (Fedorov 1972, "Theory of optimal experiments", chapter 3). A gradient moves the points
/// of a group within their neighbourhoods, and never two that share one to two.
ValuedGroup exchange_points(const GroupFunction& function, const RefineGroups& refine, std::size_t q,
                            std::span<const double> pool, const ExchangeOptions& options, ValuedGroup group);

/// The first `most` points (of d unit coordinates), without those that are nearly an earlier one.
std::vector<double> distinct_points(std::span<const double> points, std::size_t d, std::size_t most);

}  // namespace krigon
