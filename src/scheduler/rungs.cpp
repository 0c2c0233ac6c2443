#include "scheduler/rungs.hpp"

#include <algorithm>
#include <cmath>

namespace krigon::detail {

Brackets::Brackets(const EarlyStopping& options) {
  const auto count = static_cast<double>(std::max<std::int64_t>(1, options.brackets));
  double sum = 0;
  for (double s = 0; s < count; ++s) {
    sum += std::pow(options.reduction, count - 1 - s) * count / (count - s);
    until_.push_back(sum);
  }
  for (double& until : until_) until /= sum;
}

// Multiples of the golden ratio spread evenly over [0, 1) (Weyl), so that the shares are met by the first few
// trials already, and no random numbers are needed.
std::size_t Brackets::of(std::int64_t trial) const {
  const std::uint64_t turned = static_cast<std::uint64_t>(trial) * 0x9e3779b97f4a7c15U;
  const double place = static_cast<double>(turned >> 11) * 0x1p-53;
  const auto found = std::upper_bound(until_.begin(), until_.end() - 1, place);
  return static_cast<std::size_t>(found - until_.begin());
}

}  // namespace krigon::detail
