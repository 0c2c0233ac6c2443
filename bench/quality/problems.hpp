#pragma once

#include <functional>
#include <string>
#include <vector>

#include "krigon/space.hpp"

namespace krigon::bench {

/// A function to be minimised, with its known minimum.
struct Problem {
  std::string name;
  Space space;
  std::function<double(const Parameters&)> objective;
  double minimum = 0;
  double needed = 0.1;  ///< the sampler's median regret may be at most this part of random search's
};

/// Branin, Hartmann-6, Ackley-10 (shifted off the centre), and a mixed function with a categorical, an
/// integer and a parameter under a condition.
std::vector<Problem> smoke_problems();

/// Hartmann-6 plus a bowl in four more coordinates: ten parameters.
Problem ten_parameters();

}  // namespace krigon::bench
