#pragma once

#include <cstddef>

#include "kernels/cuda/launch.cuh"

/// A kernel for each thing that a kernel may use, for executor_test.cu; nvcc compiles them too.
namespace krigon::host_cuda {

enum class Shuffle { kIndex, kUp, kDown, kXor };

__global__ void count_positions(int* counts) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  atomicAdd(&counts[block * blockDim.x * blockDim.y * blockDim.z + thread], 1);
}

__global__ void draw_ticket(int* next, int* order) {
  order[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x);
}

__global__ void unset_shared(double* seen) {
  KRIGON_SHARED(double, value);
  KRIGON_DYNAMIC_SHARED(double, more);
  if (threadIdx.x == 0) {
    seen[2 * blockIdx.x] = value;
    seen[2 * blockIdx.x + 1] = more[1];
    value = more[1] = 1;
  }
}

__global__ void shuffle_lanes(Shuffle kind, int by, int width, double* out) {
  const double mine = 100 + threadIdx.x;
  double got = 0;
  if (kind == Shuffle::kIndex) got = __shfl_sync(0xffffffffU, mine, by, width);
  if (kind == Shuffle::kUp) got = __shfl_up_sync(0xffffffffU, mine, static_cast<unsigned>(by), width);
  if (kind == Shuffle::kDown) got = __shfl_down_sync(0xffffffffU, mine, static_cast<unsigned>(by), width);
  if (kind == Shuffle::kXor) got = __shfl_xor_sync(0xffffffffU, mine, by, width);
  out[threadIdx.x] = got;
}

__global__ void halves_of_a_warp(int* out) {
  const unsigned lane = threadIdx.x;
  int sum = 1;
  if (lane < 16) {
    for (int bit = 8; bit > 0; bit /= 2) sum += __shfl_xor_sync(0x0000ffffU, sum, bit);
  } else {
    for (int bit = 4; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffff0000U, sum, bit);
    __syncwarp(0xffff0000U);
  }
  out[lane] = sum;
}

__global__ void votes(unsigned* out) {
  const unsigned ballot = __ballot_sync(0xffffffffU, threadIdx.x % 3 == 0);
  const int any = __any_sync(0xffffffffU, threadIdx.x == 40);
  const int all = __all_sync(0xffffffffU, threadIdx.x < 40);
  if (threadIdx.x % 32 == 5) {
    out[threadIdx.x / 32] = ballot;
    out[2 + threadIdx.x / 32] = static_cast<unsigned>(any);
    out[4 + threadIdx.x / 32] = static_cast<unsigned>(all);
  }
}

__global__ void atomics(int* integers, unsigned long long* longs, double* sum) {
  const int i = static_cast<int>(threadIdx.x);
  atomicAdd(&integers[0], i);
  atomicMin(&integers[1], i - 7);
  atomicMax(&integers[2], i);
  atomicExch(&integers[3], 5);
  atomicAdd(longs, 1ULL << 40);
  atomicAdd(sum, 0.5);
  // The largest double, by compare and swap on its bits.
  unsigned long long* const bits = reinterpret_cast<unsigned long long*>(sum + 1);
  unsigned long long old = atomicAdd(bits, 0);
  while (__longlong_as_double(static_cast<long long>(old)) < i) {
    const unsigned long long seen =
        atomicCAS(bits, old, static_cast<unsigned long long>(__double_as_longlong(i)));
    if (seen == old) break;
    old = seen;
  }
}

__global__ void maths(double* out) {
  out[0] = erfcx(-1.0);
  out[1] = erfcx(1.0);
  out[2] = erfcx(30.0);
  out[3] = erfcx(-30.0);
  out[4] = rsqrt(4.0);
  out[5] = normcdf(-1.0);
  out[6] = fma(2.0, 3.0, 1.0);
  out[7] = max(1.0, min(2.0, 3.0));
}

__global__ void nothing() {}
__global__ void needs_much(double* out) {
  KRIGON_DYNAMIC_SHARED(double, panel);
  panel[227 * 128 - 1] = 3;
  *out = panel[227 * 128 - 1];
}

__global__ void large_array(double* out) {
  KRIGON_SHARED(double, array, [48 * 128 + 1]);
  array[0] = 1;
  *out = array[0];
}

__global__ void wrong_mask(int* out) {
  *out = __shfl_sync(0xfffffffeU, 1, 1);
}

__global__ void wrong_source(int* out) {
  if (threadIdx.x < 16) *out = __shfl_sync(0x0000ffffU, 1, 20);
}

__global__ void lanes_that_are_not_there(int* out) {
  *out = __shfl_sync(0xffffffffU, 1, 1);
}

__global__ void shared_underrun(int* out) {
  KRIGON_SHARED(int, array, [10]);
  int* p = array;
  p[-static_cast<std::ptrdiff_t>(blockDim.x)] = 1;
  *out = 1;
}

}  // namespace krigon::host_cuda
