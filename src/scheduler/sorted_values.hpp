#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace krigon::detail {

/// A multiset of finite doubles with ranks: a sorted vector. Finding is O(log n); insertion and
/// removal also move up to n doubles, which at 100,000 entries is still some ten microseconds and
/// beats a balanced tree below that.
class SortedValues {
 public:
  void insert(double value) {
    values_.insert(std::upper_bound(values_.begin(), values_.end(), value), value);
  }
  /// Precondition: an equal value was inserted and not yet erased.
  void erase(double value) { values_.erase(std::lower_bound(values_.begin(), values_.end(), value)); }
  std::size_t size() const { return values_.size(); }
  /// How many are strictly smaller.
  std::size_t below(double value) const {
    return static_cast<std::size_t>(std::lower_bound(values_.begin(), values_.end(), value) -
                                    values_.begin());
  }
  /// The value of this rank, from 0 for the smallest.
  double at(std::size_t rank) const { return values_.at(rank); }

 private:
  std::vector<double> values_;
};

}  // namespace krigon::detail
