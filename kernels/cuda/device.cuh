#pragma once

/// What the kernels share: how blocks find their member, sums over a block in a fixed order.

#include <cstdint>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matrix.hpp"

/// Before a loop whose index picks registers.
#if defined(__CUDACC__)
#define KRIGON_UNROLL _Pragma("unroll")
#else
#define KRIGON_UNROLL
#endif

namespace krigon::cuda {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

template <typename T>
__device__ inline T* member_of(const Matrix<T>& m, std::int64_t member) {
  return m.data + member * m.stride;
}
template <typename T>
__device__ inline T& at(const Matrix<T>& m, std::int64_t member, std::int64_t i, std::int64_t j) {
  return m.data[member * m.stride + j * m.leading + i];
}
__device__ inline const double* column_of(const Theta& theta, std::int64_t member) {
  return theta.data + member * theta.leading;
}

__device__ inline bool is_finite(double x) {
  return fabs(x) < INFINITY;
}

__host__ __device__ inline std::int64_t blocks_for(std::int64_t work, std::int64_t per_block) {
  return (work + per_block - 1) / per_block;
}

/// The sum of every thread's value, in thread 0, always in the same order. `partial`: kWarps doubles of
/// shared memory. Ends with the block in step, so that `partial` can be used again.
__device__ inline double block_sum(double value, double* partial) {
  const int thread = static_cast<int>(threadIdx.x + threadIdx.y * blockDim.x);
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffU, value, offset);
  if (thread % 32 == 0) partial[thread / 32] = value;
  __syncthreads();
  double sum = 0;
  if (thread == 0) {
    for (int warp = 0; warp < kWarps; ++warp) sum += partial[warp];
  }
  __syncthreads();
  return sum;
}

/// A one-dimensional grid that covers `per_member` elements of each of `batch` members with kThreads
/// threads a block: its size, and on the device this thread's element.
struct Elements {
  std::int64_t per_member = 0;
  std::int64_t blocks = 0;  ///< per member

  Elements(std::int64_t count) : per_member(count), blocks(blocks_for(count, kThreads)) {}
  dim3 grid(std::int64_t batch) const { return dim3(static_cast<unsigned>(blocks * batch)); }
};
__device__ inline std::int64_t member_index(const Elements& e) {
  return blockIdx.x / e.blocks;
}
__device__ inline std::int64_t element_index(const Elements& e) {
  return blockIdx.x % e.blocks * kThreads + threadIdx.x;
}

}  // namespace krigon::cuda
