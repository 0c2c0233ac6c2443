#pragma once

#include <cstddef>
#include <cstdint>

namespace krigon {

/// A batch of column-major matrices resident on a backend: element (i, j) of member b is
/// data[b * stride + j * leading + i]. Does not own. Empty batches and empty matrices are fine.
template <typename T>
struct BasicView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t leading = 0;  ///< >= max(1, rows)
  std::int64_t batch = 1;
  std::int64_t stride = 0;  ///< doubles between members

  T* column(std::int64_t j) const { return data + j * leading; }
  BasicView member(std::int64_t b) const { return {data + b * stride, rows, columns, leading, 1, 0}; }
  operator BasicView<const T>() const { return {data, rows, columns, leading, batch, stride}; }
};

using View = BasicView<double>;
using ConstView = BasicView<const double>;

/// Whether an input goes with a batch: as many members, or one for all.
inline bool fits(const ConstView& view, std::int64_t batch) {
  return view.batch == batch || view.batch == 1;
}
/// The input's member that goes with member b of the batch.
inline ConstView member_of(const ConstView& view, std::int64_t b) {
  return view.batch == 1 ? view : view.member(b);
}

}  // namespace krigon
