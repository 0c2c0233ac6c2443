#pragma once

#include <cstddef>

#include "kernels/cuda/launch.cuh"
#include "tests/host_cuda/planted_bugs.hpp"

/// Two kernels of the kind that the CUDA backend is made of, with the mistakes that the tests plant in them.
namespace krigon::planted {

constexpr int kTile = 8;

struct Points {
  const double* x;  ///< n by d, column by column
  int n;
  int d;
};

/// K(i, j) = exp(-|x_i - x_j|^2), plus `jitter` on the diagonal; n by n, in blocks of kTile by kTile threads
/// with the points' coordinates in shared panels.
__global__ void gram(Points points, double jitter, double* k, Bug bug) {
  KRIGON_SHARED(double, rows, [kTile][kTile + 1]);
  KRIGON_SHARED(double, columns, [kTile][kTile + 1]);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int n = points.n;
  const int i = static_cast<int>(blockIdx.x) * kTile + tx;
  const int j = static_cast<int>(blockIdx.y) * kTile + ty;
  const int j_loaded = static_cast<int>(blockIdx.y) * kTile + tx;
  if (bug == Bug::kBarrierInDivergentCode && (i >= n || j >= n)) return;
  double squared = 0;
  for (int first = 0; first < points.d; first += kTile) {
    const int dimension = first + ty;
    const bool inside = dimension < points.d;
    const std::size_t column = static_cast<std::size_t>(dimension) * static_cast<std::size_t>(n);
    const int slot = bug == Bug::kSharedIndexOutOfBounds && ty == kTile - 1 ? kTile : ty;
    rows[slot][tx] = inside && i < n ? points.x[column + static_cast<std::size_t>(i)] : 0.0;
    columns[ty][tx] = inside && j_loaded < n ? points.x[column + static_cast<std::size_t>(j_loaded)] : 0.0;
    if (bug == Bug::kMismatchedBarriers && ty == 0) {
      __syncthreads();
    } else if (bug != Bug::kMissingBarrier) {
      __syncthreads();
    }
    for (int q = 0; q < kTile; ++q) {
      const double difference = rows[q][tx] - columns[q][ty];
      squared = fma(difference, difference, squared);
    }
    if (bug != Bug::kMissingSecondBarrier) __syncthreads();
  }
  const int limit = bug == Bug::kOffByOneWrite ? n + 1 : n;
  if (i < limit && j < n) {
    k[static_cast<std::size_t>(j) * static_cast<std::size_t>(n) + static_cast<std::size_t>(i)] =
        exp(-squared) + (i == j ? jitter : 0.0);
  }
}

/// Adds the sum of ln L(i, i) to `out`: within a warp through dynamic shared memory (a double for each
/// thread) and shuffles, within a block through shared memory, between blocks by an atomic addition.
__global__ void log_diagonal(const double* l, int n, double* out, Bug bug) {
  KRIGON_DYNAMIC_SHARED(double, parts);
  KRIGON_SHARED(double, warp_sums, [32]);
  const int thread = static_cast<int>(threadIdx.x);
  const int threads = static_cast<int>(blockDim.x);
  const int step = static_cast<int>(gridDim.x) * threads;
  double sum = 0;
  for (int i = static_cast<int>(blockIdx.x) * threads + thread; i < n; i += step) {
    const std::ptrdiff_t at =
        static_cast<std::ptrdiff_t>(i) * (n + 1) - (bug == Bug::kReadBelowStart ? n : 0);
    sum += log(l[at]);
  }
  if (bug == Bug::kShuffleInDivergentCode && thread % 32 < 3) return;
  parts[thread] = sum;
  if (bug != Bug::kMissingWarpBarrier) __syncwarp();
  sum += parts[thread ^ 16];
  for (unsigned offset = 8; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffU, sum, offset);
  if (thread % 32 == 0) warp_sums[thread / 32] = sum;
  __syncthreads();
  if (thread >= 32) return;
  double total = thread < threads / 32 ? warp_sums[thread] : 0.0;
  for (unsigned offset = 16; offset > 0; offset /= 2) total += __shfl_down_sync(0xffffffffU, total, offset);
  if (thread == 0) {
    if (bug == Bug::kPlainAddition) {
      *out += total;
    } else {
      atomicAdd(out, total);
    }
  }
}

}  // namespace krigon::planted
