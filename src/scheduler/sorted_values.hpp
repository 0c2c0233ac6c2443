#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace krigon::detail {

/// A multiset with ranks: sorted values in blocks of some hundred. Insertion and removal move what is in one
/// block; finding one and counting what lies before it walks over the blocks' sizes, of which there are two
/// thousand with a million values: about a microsecond then, and less than a balanced tree takes below that.
template <class T>
class Sorted {
 public:
  void insert(const T& value) {
    ++size_;
    if (blocks_.empty()) {
      blocks_.push_back({value});
      return;
    }
    const std::size_t b = std::min(block_of(value), blocks_.size() - 1);
    auto& block = blocks_[b];
    block.insert(std::upper_bound(block.begin(), block.end(), value), value);
    if (block.size() < kMost) return;
    std::vector<T> upper(block.begin() + kMost / 2, block.end());
    block.resize(kMost / 2);
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1, std::move(upper));
  }
  /// Precondition: an equal value was inserted and not yet erased.
  void erase(const T& value) {
    const std::size_t b = block_of(value);
    auto& block = blocks_.at(b);
    block.erase(std::lower_bound(block.begin(), block.end(), value));
    --size_;
    if (block.empty()) blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b));
  }
  std::size_t size() const { return size_; }
  /// How many are strictly smaller.
  std::size_t below(const T& value) const {
    const std::size_t b = block_of(value);
    std::size_t before = 0;
    for (std::size_t i = 0; i < b; ++i) before += blocks_[i].size();
    if (b == blocks_.size()) return before;
    const auto& block = blocks_[b];
    return before +
           static_cast<std::size_t>(std::lower_bound(block.begin(), block.end(), value) - block.begin());
  }
  /// The value of this rank, from 0 for the smallest. Throws where there is none.
  const T& at(std::size_t rank) const {
    for (const auto& block : blocks_) {
      if (rank < block.size()) return block[rank];
      rank -= block.size();
    }
    throw std::out_of_range("no value of this rank");
  }

 private:
  static constexpr std::size_t kMost = 512;
  /// The first block whose last value is not smaller: the smallest value not below `value` is there.
  std::size_t block_of(const T& value) const {
    const auto found = std::partition_point(blocks_.begin(), blocks_.end(),
                                            [&](const auto& block) { return block.back() < value; });
    return static_cast<std::size_t>(found - blocks_.begin());
  }

  std::vector<std::vector<T>> blocks_;  ///< none is empty
  std::size_t size_ = 0;
};

using SortedValues = Sorted<double>;

}  // namespace krigon::detail
