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
  std::int64_t stride = 0;  ///< doubles between members; 0 shares one matrix among all (read only)

  T* column(std::int64_t j) const { return data + j * leading; }
  BasicView member(std::int64_t b) const { return {data + b * stride, rows, columns, leading, 1, 0}; }
  operator BasicView<const T>() const { return {data, rows, columns, leading, batch, stride}; }
};

using View = BasicView<double>;
using ConstView = BasicView<const double>;

}  // namespace krigon
