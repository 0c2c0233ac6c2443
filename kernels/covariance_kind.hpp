#pragma once

#include <cstdint>

namespace krigon {

/// Covariance functions of unit variance, by the squared distance r2 or the product s of two feature
/// vectors (Rasmussen and Williams 2006, chapter 4). The element maths is in kernels/covariance.hpp.
enum class CovarianceKind : std::int32_t {
  matern52,  ///< (1 + a + a^2/3) e^-a, a = sqrt(5 r2)
  matern32,  ///< (1 + a) e^-a, a = sqrt(3 r2)
  rbf,       ///< e^(-r2/2)
  /// e^(-r2/2) with r2 = sum_k 4 sin^2(pi (x_k - x'_k) / p_k) / l_k^2 (MacKay 1998).
  periodic,
  linear,  ///< s = sum_k x_k x'_k / l_k^2: not stationary, unbounded
};

}  // namespace krigon
