// Points to features and features to covariances.

#include "backend/covariance.hpp"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/pairs.cuh"

namespace krigon::cuda {

namespace {

constexpr double kTwoPi = 6.28318530717958647692;

/// A feature's value at x and its derivatives: by x, by ln of its lengthscale, by ln of its period.
struct Feature {
  double value, d_x, d_length, d_period;
};

__device__ inline Feature feature_at(const CovarianceTable& table, const double* theta, std::int32_t f,
                                     double x) {
  const double inverse_length = exp(-theta[table.feature_group[f]]);
  const std::int32_t part = table.feature_part[f];
  if (part == CovarianceTable::kPlain) {
    const double value = x * inverse_length;
    return {value, inverse_length, -value, 0.0};
  }
  const double rate = kTwoPi * exp(-theta[table.groups + table.feature_period[f]]);
  const double angle = rate * x;
  const double cosine = cos(angle) * inverse_length;
  const double sine = sin(angle) * inverse_length;
  if (part == CovarianceTable::kCosine) return {cosine, -rate * sine, -cosine, angle * sine};
  return {sine, rate * cosine, -sine, -angle * cosine};
}

__global__ void features_kernel(CovarianceTable table, Input x, Theta theta, Output u, Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const auto f = static_cast<std::int32_t>(element % u.rows);
  const std::int64_t j = element / u.rows;
  at(u, member, f, j) =
      feature_at(table, column_of(theta, member), f, at(x, member, table.feature_column[f], j)).value;
}

/// One block a feature and member: its two sums over the points.
__global__ void feature_sums_kernel(CovarianceTable table, Input x, Theta theta, Input du, double* sums) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const std::int64_t member = blockIdx.x / table.features;
  const auto f = static_cast<std::int32_t>(blockIdx.x % table.features);
  const double* t = column_of(theta, member);
  double length = 0;
  double period = 0;
  for (std::int64_t j = threadIdx.x; j < du.columns; j += kThreads) {
    const Feature feature = feature_at(table, t, f, at(x, member, table.feature_column[f], j));
    const double adjoint = at(du, member, f, j);
    length += adjoint * feature.d_length;
    period += adjoint * feature.d_period;
  }
  length = block_sum(length, partial);
  period = block_sum(period, partial);
  if (threadIdx.x == 0) {
    double* out = sums + (member * table.features + f) * 2;
    out[0] = length;
    out[1] = period;
  }
}

/// One thread a lengthscale or period: the sums of the features that it scales.
__global__ void feature_parameters_kernel(CovarianceTable table, const double* sums, Output dtheta,
                                          Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t row = element_index(elements);
  if (row >= elements.per_member) return;
  const double* in = sums + member * table.features * 2;
  double sum = 0;
  for (std::int32_t f = 0; f < table.features; ++f) {
    if (row < table.groups) {
      if (table.feature_group[f] == row) sum += in[2 * f];
    } else if (table.feature_period[f] == row - table.groups) {
      sum += in[2 * f + 1];
    }
  }
  at(dtheta, member, row, 0) += sum;
}

__global__ void feature_points_kernel(CovarianceTable table, Input x, Theta theta, Input du, Output dx,
                                      Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const auto k = static_cast<std::int32_t>(element % table.columns);
  const std::int64_t j = element / table.columns;
  const double* t = column_of(theta, member);
  const double value = at(x, member, k, j);
  double sum = 0;
  for (std::int32_t c = table.column_start[k]; c < table.column_start[k + 1]; ++c) {
    const std::int32_t f = table.column_feature[c];
    sum += at(du, member, f, j) * feature_at(table, t, f, value).d_x;
  }
  at(dx, member, k, j) += sum;
}

/// One block a tile of 16 R x 16 R covariances, R x R of them a thread.
template <int R>
__global__ void gram_kernel(CovarianceTable table, Input u, Input v, Theta theta, Output k,
                            std::int64_t row_tiles, std::int64_t column_tiles) {
  KRIGON_SHARED(double, us, [kChunk][16 * R + 1]);
  KRIGON_SHARED(double, vs, [kChunk][16 * R + 1]);
  const std::int64_t member = blockIdx.x / (row_tiles * column_tiles);
  const std::int64_t tile = blockIdx.x % (row_tiles * column_tiles);
  const std::int64_t first_row = tile % row_tiles * (16 * R);
  const std::int64_t first_column = tile / row_tiles * (16 * R);
  const double* t = column_of(theta, member);
  double total[R][R] = {};
  for (std::int32_t term = 0; term < table.terms; ++term) {
    double product[R][R];
    const double signal = exp(t[table.groups + table.periods + term]);
    KRIGON_UNROLL
    for (int a = 0; a < R; ++a) {
      KRIGON_UNROLL
      for (int b = 0; b < R; ++b) product[a][b] = signal;
    }
    for (std::int32_t factor = table.term_start[term]; factor < table.term_start[term + 1]; ++factor) {
      double sum[R][R];
      const bool linear = is_linear(table.factor_kind[factor]);
      accumulate_pairs<R>(linear, table.factor_first[factor], table.factor_last[factor], u, first_row, v,
                          first_column, member, us, vs, sum);
      KRIGON_UNROLL
      for (int a = 0; a < R; ++a) {
        KRIGON_UNROLL
        for (int b = 0; b < R; ++b) product[a][b] *= factor_at(table.factor_kind[factor], sum[a][b]).value;
      }
    }
    KRIGON_UNROLL
    for (int a = 0; a < R; ++a) {
      KRIGON_UNROLL
      for (int b = 0; b < R; ++b) total[a][b] += product[a][b];
    }
  }
  KRIGON_UNROLL
  for (int b = 0; b < R; ++b) {
    const std::int64_t j = first_column + threadIdx.y + 16 * b;
    KRIGON_UNROLL
    for (int a = 0; a < R; ++a) {
      const std::int64_t i = first_row + threadIdx.x + 16 * a;
      if (i < k.rows && j < k.columns) at(k, member, i, j) = total[a][b];
    }
  }
}

template <int R>
cudaError_t launch_gram_tiles(cudaStream_t stream, const CovarianceTable& table, Input u, Input v,
                              Theta theta, Output k, std::int64_t batch) {
  const std::int64_t row_tiles = blocks_for(k.rows, 16 * R);
  const std::int64_t column_tiles = blocks_for(k.columns, 16 * R);
  return launch(gram_kernel<R>, dim3(static_cast<unsigned>(row_tiles * column_tiles * batch)), dim3(16, 16),
                0, stream, table, u, v, theta, k, row_tiles, column_tiles);
}

}  // namespace

cudaError_t launch_features(cudaStream_t stream, const CovarianceTable& table, Input x, Theta theta, Output u,
                            std::int64_t batch) {
  const Elements elements(u.rows * u.columns);
  if (elements.per_member * batch == 0) return cudaSuccess;
  return launch(features_kernel, elements.grid(batch), dim3(kThreads), 0, stream, table, x, theta, u,
                elements);
}

cudaError_t launch_features_vjp(cudaStream_t stream, const CovarianceTable& table, Input x, Theta theta,
                                Input du, Output dtheta, Output dx, std::int64_t batch, double* sums) {
  if (batch == 0) return cudaSuccess;
  if (dtheta.data != nullptr) {
    if (const cudaError_t error =
            launch(feature_sums_kernel, dim3(static_cast<unsigned>(table.features * batch)), dim3(kThreads),
                   0, stream, table, x, theta, du, sums)) {
      return error;
    }
    const Elements parameters(table.groups + table.periods);
    if (const cudaError_t error = launch(feature_parameters_kernel, parameters.grid(batch), dim3(kThreads), 0,
                                         stream, table, sums, dtheta, parameters)) {
      return error;
    }
  }
  if (dx.data == nullptr || dx.columns == 0) return cudaSuccess;
  const Elements elements(table.columns * dx.columns);
  return launch(feature_points_kernel, elements.grid(batch), dim3(kThreads), 0, stream, table, x, theta, du,
                dx, elements);
}

cudaError_t launch_gram(cudaStream_t stream, const CovarianceTable& table, Input u, Input v, Theta theta,
                        Output k, std::int64_t batch) {
  if (k.rows * k.columns * batch == 0) return cudaSuccess;
  // Large tiles reuse what they load; small ones give every multiprocessor something to do.
  if (k.rows >= 1024 && k.columns >= 1024) return launch_gram_tiles<4>(stream, table, u, v, theta, k, batch);
  return launch_gram_tiles<1>(stream, table, u, v, theta, k, batch);
}

}  // namespace krigon::cuda
