#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "medians.hpp"
#include "problems.hpp"

namespace krigon::bench {

/// What random points took on a problem.
struct RandomPoints {
  Problem problem;
  std::size_t workers = 1;
  double one_in = 100;  ///< random points, of which the best's final loss is the target
  Spent none, asha;
};

/// A line under the tables, and whether it holds.
struct Bar {
  std::string what;
  bool reached = false;
};

/// Prints what rules take when the points come from the sampler `auto`, which learns from stopped trials too,
/// against no stopping with random points and with the same sampler; random points and asha stand beside it.
///
/// An ask of the model takes 10 to 100 ms, so that seeds are few, and a run is given up after 0.4 times as
/// many whole trials' steps as random points should take, or after 300 trials. Returns its bars.
std::vector<Bar> model_table(const std::vector<RandomPoints>& random, bool quick);

}  // namespace krigon::bench
