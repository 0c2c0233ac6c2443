#pragma once

#include <cstddef>
#include <string>

#include "krigon/error.hpp"

namespace krigon {

/// The n of n means and an n x n covariance, `count` values in all; n >= 1. UsageError where there is none,
/// or where the adjoint's shape differs.
inline std::size_t points_of_moments(std::size_t count, std::size_t adjoint_count) {
  std::size_t n = 0;
  while (n * (n + 1) < count) ++n;
  if (n == 0 || n * (n + 1) != count) {
    throw UsageError("moments: " + std::to_string(count) +
                     " values are not n means and an n x n covariance, for any n");
  }
  if (adjoint_count != count) {
    throw UsageError("moments: " + std::to_string(count) + " values, and room for " +
                     std::to_string(adjoint_count) + " derivatives by them");
  }
  return n;
}

}  // namespace krigon
