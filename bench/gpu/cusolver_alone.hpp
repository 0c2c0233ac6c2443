#pragma once

#include <cstdint>
#include <span>

namespace krigon::bench {

/// Seconds of cuSOLVER's potrf and then potri of a symmetric positive definite n x n matrix (on the host,
/// column-major), medians over `repeats` after one that does not count; no code of the engine's in between.
/// Throws EnvironmentError.
struct CusolverSeconds {
  double factorise = 0;
  double invert = 0;
};
CusolverSeconds cusolver_alone(int device, std::int64_t n, std::span<const double> matrix, int repeats);

}  // namespace krigon::bench
