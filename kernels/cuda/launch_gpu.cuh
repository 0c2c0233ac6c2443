// GPU-only: what kernels/cuda/launch.cuh describes, as nvcc has it. For that file alone.
#pragma once

#include <cstddef>
#include <utility>

#include <cuda_runtime.h>

#define KRIGON_SHARED(type, name, ...) __shared__ type name __VA_ARGS__
#define KRIGON_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char krigon_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(krigon_dynamic_shared)

namespace krigon::cuda {

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   cudaStream_t stream, Arguments&&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

}  // namespace krigon::cuda
