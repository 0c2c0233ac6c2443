// The largest values, in order: passes of arg-max, each over what comes after the one before.

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"

namespace krigon::cuda {

namespace {

__device__ inline bool comes_before(double value, long long index, double than, long long than_index) {
  return value != than ? value > than : index < than_index;
}

/// One block a member.
__global__ void top_k_kernel(Input values, Output out) {
  KRIGON_SHARED(double, best_value, [kWarps]);
  KRIGON_SHARED(long long, best_index, [kWarps]);
  KRIGON_SHARED(double, last_value);
  KRIGON_SHARED(long long, last_index);
  const std::int64_t member = blockIdx.x;
  const double lowest = -INFINITY;
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t rank = 0; rank < out.columns; ++rank) {
    // An index beyond the last stands for 'none'.
    double value = lowest;
    long long index = values.rows;
    for (std::int64_t i = thread; i < values.rows; i += kThreads) {
      double here = at(values, member, i, 0);
      if (here != here) here = lowest;  // not a number
      if (rank > 0 && !comes_before(last_value, last_index, here, i)) continue;
      if (comes_before(here, i, value, index)) {
        value = here;
        index = i;
      }
    }
    for (int offset = 16; offset > 0; offset /= 2) {
      const double other = __shfl_down_sync(0xffffffffU, value, offset);
      const long long other_index = __shfl_down_sync(0xffffffffU, index, offset);
      if (comes_before(other, other_index, value, index)) {
        value = other;
        index = other_index;
      }
    }
    if (thread % 32 == 0) {
      best_value[thread / 32] = value;
      best_index[thread / 32] = index;
    }
    __syncthreads();
    if (thread == 0) {
      for (int warp = 1; warp < kWarps; ++warp) {
        if (comes_before(best_value[warp], best_index[warp], value, index)) {
          value = best_value[warp];
          index = best_index[warp];
        }
      }
      at(out, member, 0, rank) = value;
      at(out, member, 1, rank) = static_cast<double>(index);
      last_value = value;
      last_index = index;
    }
    __syncthreads();
  }
}

}  // namespace

cudaError_t launch_top_k(cudaStream_t stream, Input values, Output out, std::int64_t batch) {
  if (out.columns * batch == 0) return cudaSuccess;
  return launch(top_k_kernel, dim3(static_cast<unsigned>(batch)), dim3(kThreads), 0, stream, values, out);
}

}  // namespace krigon::cuda
