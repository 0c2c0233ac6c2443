#pragma once

#include <cstddef>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include <cuda_runtime.h>

#include "tests/host_cuda/executor.hpp"

/// Launching kernels by the names of kernels/cuda/launch.cuh.
namespace krigon::host_cuda {

/// A grid's size that remembers where it was written, so that messages name the launch.
struct Grid {
  dim3 size;
  std::source_location site;

  Grid(dim3 blocks, std::source_location where = std::source_location::current())
      : size(blocks), site(where) {}
  Grid(unsigned x, std::source_location where = std::source_location::current()) : size(x), site(where) {}
  Grid(unsigned x, unsigned y, std::source_location where = std::source_location::current())
      : size(x, y), site(where) {}
  Grid(unsigned x, unsigned y, unsigned z, std::source_location where = std::source_location::current())
      : size(x, y, z), site(where) {}
  Grid(int x, std::source_location where = std::source_location::current())
      : Grid(static_cast<unsigned>(x), where) {}
};

/// Checks the launch as CUDA does and queues it.
cudaError_t queue_kernel(cudaStream_t stream, const void* kernel, KernelLaunch launch);

/// Ends the process if argument `index` is, or a struct holds, a pointer that the device cannot follow.
void check_pointer_argument(const void* pointer, int index, std::source_location site);
void check_struct_argument(const void* bytes, std::size_t size, int index, std::source_location site);

template <class T>
void check_argument(const T& value, int index, std::source_location site) {
  static_assert(std::is_trivially_copyable_v<T>, "CUDA copies a kernel's arguments byte by byte");
  if constexpr (std::is_pointer_v<T>) {
    if (value != nullptr) check_pointer_argument(reinterpret_cast<const void*>(value), index, site);
  } else if constexpr (std::is_class_v<T>) {
    T copy = value;
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&copy);  // which may hold what looks like a pointer
#endif
    check_struct_argument(&copy, sizeof copy, index, site);
  }
}

}  // namespace krigon::host_cuda

namespace krigon::cuda {

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), host_cuda::Grid grid, dim3 block, std::size_t shared_bytes,
                   cudaStream_t stream, Arguments&&... arguments) {
  static_assert((!std::is_reference_v<Parameters> && ...), "a kernel takes its parameters by value");
  const std::tuple<std::remove_const_t<Parameters>...> frozen(std::forward<Arguments>(arguments)...);
  std::apply(
      [&grid]([[maybe_unused]] const auto&... values) {
        [[maybe_unused]] int index = 0;
        (host_cuda::check_argument(values, index++, grid.site), ...);
      },
      frozen);
  return host_cuda::queue_kernel(stream, reinterpret_cast<const void*>(kernel),
                                 {.grid = grid.size,
                                  .block = block,
                                  .shared_bytes = shared_bytes,
                                  .site = grid.site,
                                  .body = [kernel, frozen] { std::apply(kernel, frozen); }});
}

}  // namespace krigon::cuda

/// The overload for kernels, which cuda_runtime.h has for nvcc alone.
template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
