#pragma once

#include <cstdint>
#include <type_traits>

#include "backend/view.hpp"

namespace krigon::cuda {

/// A batch of matrices as a kernel takes it: a BasicView whose stride is 0 where one matrix serves all
/// members, so that kernels index every batch alike.
template <typename T>
struct Matrix {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t leading = 0;
  std::int64_t stride = 0;

  Matrix() = default;
  template <typename U>
  requires std::is_convertible_v<U*, T*> Matrix(const BasicView<U>& view)
      : data(view.data),
        rows(view.rows),
        columns(view.columns),
        leading(view.leading),
        stride(view.batch == 1 ? 0 : view.stride) {}
};
using Input = Matrix<const double>;
using Output = Matrix<double>;

/// Column b of theta is member b's; leading is 0 where one column serves all.
struct Theta {
  const double* data = nullptr;
  std::int64_t leading = 0;

  explicit Theta(const ConstView& view) : data(view.data), leading(view.columns == 1 ? 0 : view.leading) {}
};

/// A covariance's tables on the device, all in one allocation of 32-bit integers.
/// Factors are sorted by term; theta's rows are those of ThetaLayout.
struct CovarianceTable {
  const std::int32_t* feature_column = nullptr;  ///< F
  const std::int32_t* feature_group = nullptr;   ///< F
  const std::int32_t* feature_period = nullptr;  ///< F, -1 where there is none
  const std::int32_t* feature_part = nullptr;    ///< F, one of the constants below
  const std::int32_t* column_start = nullptr;    ///< D + 1, into column_feature
  const std::int32_t* column_feature = nullptr;  ///< F
  const std::int32_t* factor_kind = nullptr;     ///< a CovarianceKind each
  const std::int32_t* factor_first = nullptr;    ///< its features: [first, last)
  const std::int32_t* factor_last = nullptr;
  const std::int32_t* term_start = nullptr;  ///< T + 1, into the factors
  std::int32_t features = 0;
  std::int32_t columns = 0;
  std::int32_t groups = 0;
  std::int32_t periods = 0;
  std::int32_t terms = 0;
  std::int32_t factors = 0;

  static constexpr std::int32_t kPlain = 0, kCosine = 1, kSine = 2;  ///< in feature_part
};

}  // namespace krigon::cuda
