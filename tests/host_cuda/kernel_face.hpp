#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <source_location>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/normal.hpp"
#include "tests/host_cuda/executor.hpp"

/// CUDA as a kernel sees it, for a C++ compiler: the subset that kernels/cuda/launch.cuh names, with
/// CUDA's own names and signatures.

#define threadIdx (::krigon::host_cuda::position.thread)
#define blockIdx (::krigon::host_cuda::position.block)
#define blockDim (::krigon::host_cuda::position.block_size)
#define gridDim (::krigon::host_cuda::position.grid_size)
#define warpSize (static_cast<int>(::krigon::host_cuda::kWarpSize))

// Outside nvcc the word means nothing, and every thread would silently get an array of its own.
#undef __shared__
#define __shared__ static_assert(false, "declare shared memory with KRIGON_SHARED")

#define KRIGON_SHARED(type, name, ...)                                                            \
  using name##_shared_type = type __VA_ARGS__;                                                    \
  static char name##_shared_key;                                                                  \
  name##_shared_type& name = *static_cast<name##_shared_type*>(::krigon::host_cuda::shared_array( \
      &name##_shared_key, sizeof(name##_shared_type), alignof(name##_shared_type), #name))
#define KRIGON_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::krigon::host_cuda::dynamic_shared())

// ---- barriers and warps

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  krigon::host_cuda::block_barrier(where);
}
inline void __syncwarp(unsigned mask = krigon::host_cuda::kFullMask,
                       std::source_location where = std::source_location::current()) {
  krigon::host_cuda::warp_barrier(mask, where);
}

namespace krigon::host_cuda {

template <class T>
concept Shuffled = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle(unsigned mask, T value, unsigned source, std::source_location where) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline unsigned lane() {
  return position.linear % kWarpSize;
}

}  // namespace krigon::host_cuda

// `width` cuts the warp into segments, a power of two; a source outside the own one gives the own value.
template <krigon::host_cuda::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              std::source_location where = std::source_location::current()) {
  const unsigned w = static_cast<unsigned>(width);
  const unsigned lane = krigon::host_cuda::lane();
  return krigon::host_cuda::shuffle(mask, value,
                                    (lane & ~(w - 1)) | (static_cast<unsigned>(source) & (w - 1)), where);
}
template <krigon::host_cuda::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 std::source_location where = std::source_location::current()) {
  const unsigned w = static_cast<unsigned>(width);
  const unsigned lane = krigon::host_cuda::lane();
  return krigon::host_cuda::shuffle(mask, value, (lane & (w - 1)) < delta ? lane : lane - delta, where);
}
template <krigon::host_cuda::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   std::source_location where = std::source_location::current()) {
  const unsigned w = static_cast<unsigned>(width);
  const unsigned lane = krigon::host_cuda::lane();
  return krigon::host_cuda::shuffle(mask, value, (lane & (w - 1)) + delta >= w ? lane : lane + delta, where);
}
template <krigon::host_cuda::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  std::source_location where = std::source_location::current()) {
  const unsigned w = static_cast<unsigned>(width);
  const unsigned lane = krigon::host_cuda::lane();
  const unsigned source = lane ^ static_cast<unsigned>(bits);
  // A source in a later segment gives the own value, one in an earlier segment that lane's.
  return krigon::host_cuda::shuffle(mask, value, source >= (lane & ~(w - 1)) + w ? lane : source, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  return krigon::host_cuda::warp_ballot(mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return krigon::host_cuda::warp_ballot(mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return krigon::host_cuda::warp_ballot(mask, predicate != 0, where) == mask;
}

// ---- atomics, relaxed as CUDA's are: they order nothing around them

namespace krigon::host_cuda {

template <class T>
concept AtomicInteger =
    std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long>;
template <class T>
concept AtomicNumber = AtomicInteger<T> || std::same_as<T, float> || std::same_as<T, double>;

template <class T, class Update>
T atomic_update(T* address, Update update) {
  const std::atomic_ref<T> value(*address);
  T old = value.load(std::memory_order_relaxed);
  while (!value.compare_exchange_weak(old, update(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace krigon::host_cuda

template <krigon::host_cuda::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return krigon::host_cuda::atomic_update(address, [value](T old) { return old + value; });
}
template <krigon::host_cuda::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return krigon::host_cuda::atomic_update(address, [value](T old) { return std::min(old, value); });
}
template <krigon::host_cuda::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return krigon::host_cuda::atomic_update(address, [value](T old) { return std::max(old, value); });
}
template <krigon::host_cuda::AtomicInteger T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).exchange(value, std::memory_order_relaxed);
}
template <krigon::host_cuda::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  std::atomic_ref<T>(*address).compare_exchange_strong(expected, value, std::memory_order_relaxed);
  return expected;
}

// ---- bits and maths

inline long long __double_as_longlong(double value) {
  return std::bit_cast<long long>(value);
}
inline double __longlong_as_double(long long bits) {
  return std::bit_cast<double>(bits);
}

using std::max;
using std::min;

inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}
inline double normcdf(double x) {
  return 0.5 * std::erfc(-x * 0.70710678118654752440);
}
inline double erfcx(double x) {
  // Below, e^{x^2} overflows.
  return x < -26.7 ? std::numeric_limits<double>::infinity() : krigon::erfcx_element(x);
}
