#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace krigon::detail {

/// The steps at which trials are compared: rung k at start * reduction^k (rounded), below `end`. A reduction
/// near 1 rounds neighbours to the same step: that is one rung.
class Ladder {
 public:
  /// `end` 0: without one. reduction > 1.
  Ladder(double start, double reduction, std::int64_t end);

  /// How many rungs stand at or below `step`.
  std::size_t reached(std::int64_t step);
  /// Precondition: reached() was asked about a step that is not below it.
  std::int64_t step(std::size_t rung) const { return steps_.at(rung); }
  /// All rungs, where there is an end.
  std::size_t size() { return reached(end_); }

 private:
  double next_;  ///< unrounded, the rung after those
  double reduction_;
  std::int64_t end_;
  std::vector<std::int64_t> steps_;  ///< grown as far as steps were asked about
};

}  // namespace krigon::detail
