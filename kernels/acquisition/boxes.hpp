#pragma once

#include <cstdint>

namespace krigon {

inline constexpr int kMostObjectives = 4;

/// The part of objective space (all minimised) that is better than a reference point and not dominated
/// by what is known already, cut into disjoint boxes: count x objectives corners, row-major. A lower
/// corner may be -infinity. Plain bytes; pointers to memory of the device that reads them.
struct BoxSet {
  std::int32_t objectives = 0;
  std::int32_t count = 0;
  const double* lower = nullptr;
  const double* upper = nullptr;
};

}  // namespace krigon
