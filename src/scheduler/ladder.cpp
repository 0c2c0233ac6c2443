#include "scheduler/ladder.hpp"

#include <algorithm>
#include <cmath>

namespace krigon::detail {

Ladder::Ladder(double start, double reduction, std::int64_t end)
    : next_(start), reduction_(reduction), end_(end) {}

std::size_t Ladder::reached(std::int64_t step) {
  const std::int64_t last = end_ > 0 ? std::min(step, end_ - 1) : step;
  while (next_ < static_cast<double>(last) + 0.5) {
    const auto at = std::llround(next_);
    if (steps_.empty() || at > steps_.back()) steps_.push_back(at);
    next_ *= reduction_;
  }
  return static_cast<std::size_t>(std::upper_bound(steps_.begin(), steps_.end(), last) - steps_.begin());
}

}  // namespace krigon::detail
