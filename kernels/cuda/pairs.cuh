#pragma once

/// Distances and products of feature vectors in tiles, and the covariance of one factor.

#include <cstdint>

#include "kernels/covariance.hpp"
#include "kernels/cuda/device.cuh"

namespace krigon::cuda {

constexpr int kChunk = 16;  ///< features in shared memory at a time

__device__ inline bool is_linear(std::int32_t kind) {
  return kind == static_cast<std::int32_t>(CovarianceKind::linear);
}

/// A factor's value from the squared distance (or, where linear, the product) and the weight by which
/// the difference (or the other vector) goes into its derivative.
__device__ inline StationaryValue factor_at(std::int32_t kind, double sum) {
  return is_linear(kind) ? StationaryValue{sum, 1.0}
                         : stationary_value(static_cast<CovarianceKind>(kind), sum);
}

/// Features [first, first + kChunk) of `Points` points from `from` on into shared memory, 0 beyond the ends.
template <int Points>
__device__ inline void load_features(const Matrix<const double>& u, std::int64_t member, std::int64_t from,
                                     std::int32_t first, std::int32_t last, double (*shared)[Points + 1]) {
  const int thread = static_cast<int>(threadIdx.x + threadIdx.y * blockDim.x);
  for (int e = thread; e < kChunk * Points; e += kThreads) {
    const int f = e % kChunk;
    const int p = e / kChunk;
    const bool inside = first + f < last && from + p < u.columns;
    shared[f][p] = inside ? at(u, member, first + f, from + p) : 0.0;
  }
}

/// sum[a][b] := the squared distance (or product) of points first_u + threadIdx.x + 16 a of u and
/// first_v + threadIdx.y + 16 b of v over features [first, last). All threads of the 16 x 16 block call it.
template <int R>
__device__ inline void accumulate_pairs(bool linear, std::int32_t first, std::int32_t last,
                                        const Matrix<const double>& u, std::int64_t first_u,
                                        const Matrix<const double>& v, std::int64_t first_v,
                                        std::int64_t member, double (*us)[16 * R + 1],
                                        double (*vs)[16 * R + 1], double (&sum)[R][R]) {
  KRIGON_UNROLL
  for (int a = 0; a < R; ++a) {
    KRIGON_UNROLL
    for (int b = 0; b < R; ++b) sum[a][b] = 0;
  }
  for (std::int32_t chunk = first; chunk < last; chunk += kChunk) {
    load_features<16 * R>(u, member, first_u, chunk, last, us);
    load_features<16 * R>(v, member, first_v, chunk, last, vs);
    __syncthreads();
    const int count = last - chunk < kChunk ? last - chunk : kChunk;
    for (int f = 0; f < count; ++f) {
      double left[R];
      double right[R];
      KRIGON_UNROLL
      for (int a = 0; a < R; ++a) left[a] = us[f][threadIdx.x + 16 * a];
      KRIGON_UNROLL
      for (int b = 0; b < R; ++b) right[b] = vs[f][threadIdx.y + 16 * b];
      KRIGON_UNROLL
      for (int a = 0; a < R; ++a) {
        KRIGON_UNROLL
        for (int b = 0; b < R; ++b) {
          if (linear) {
            sum[a][b] += left[a] * right[b];
          } else {
            const double difference = left[a] - right[b];
            sum[a][b] += difference * difference;
          }
        }
      }
    }
    __syncthreads();
  }
}

}  // namespace krigon::cuda
