#pragma once

#include <cstdint>

#include "kernels/platform.hpp"

namespace krigon {

/// e^x without a branch or a table, so that a compiler vectorises loops over it. Relative error below
/// 4e-16 for x in [-708, 709]; outside it is clamped to the ends' values. NaN stays NaN.
///
/// x = k ln 2 + r, |r| <= ln(2)/2; k by adding and subtracting 1.5 * 2^52, ln 2 in two parts
/// (Cody and Waite 1980), e^r by its Taylor polynomial of degree 13, 2^k added to the exponent bits.
KRIGON_ELEMENT double exp_element(double x) {
  x = x < -708.0 ? -708.0 : x;
  x = x > 709.0 ? 709.0 : x;
  constexpr double kRound = 6755399441055744.0;
  const double shifted = x * 1.4426950408889634074 + kRound;
  const double k = shifted - kRound;
  double r = x - k * 6.93147180369123816490e-01;
  r = r - k * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const auto exponent = __builtin_bit_cast(std::uint64_t, shifted) << 52;
  return __builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, p) + exponent);
}

}  // namespace krigon
