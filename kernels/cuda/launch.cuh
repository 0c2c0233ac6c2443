#pragma once

/// What a `.cu` file may use of CUDA, and the only way in which it starts kernels and declares shared
/// memory. The same file is compiled by nvcc for a GPU and, with KRIGON_HOST_CUDA defined, by a C++
/// compiler for the tests, which execute it on the CPU (tests/host_cuda/README.md).
///
/// The subset of CUDA that kernels keep to:
///   - `__global__` and `__device__` functions, threadIdx, blockIdx, blockDim, gridDim, warpSize;
///   - KRIGON_SHARED and KRIGON_DYNAMIC_SHARED below; never `__shared__` itself;
///   - __syncthreads(), reached by all threads of the block at the same place of the source;
///   - __syncwarp, __shfl_sync, __shfl_up_sync, __shfl_down_sync, __shfl_xor_sync, __ballot_sync,
///     __any_sync, __all_sync: the mask names exactly the lanes that make the call, and all of them
///     exist. A shuffle orders no memory between lanes: that takes __syncwarp;
///   - atomicAdd on int, unsigned, unsigned long long, float, double; atomicMin, atomicMax,
///     atomicExch, atomicCAS on the integers; __double_as_longlong and its inverse;
///   - the functions of <cmath> in double, min, max, rsqrt, erfcx, normcdf, fma;
///   - blocks never wait for one another.
/// Parameters of kernels are trivially copyable values; pointers point to device memory.
///
/// cudaError_t launch(kernel, grid, block, shared_bytes, stream, arguments...)
/// queues `kernel` on `stream` with `shared_bytes` of dynamic shared memory. Arguments are converted
/// to the kernel's parameter types and copied before it returns. Returns what CUDA's own launch does:
/// cudaErrorInvalidConfiguration or cudaErrorInvalidValue for sizes beyond the device's limits; more
/// than 48 kB of shared memory need cudaFuncSetAttribute(kernel,
/// cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) first.
///
/// KRIGON_SHARED(double, tile, [16][17]);        an array of the block, unset at the block's start
/// KRIGON_SHARED(double, total);                 one value of the block
/// KRIGON_DYNAMIC_SHARED(double, panel);         `double* panel` to the launch's shared_bytes

#if defined(KRIGON_HOST_CUDA)

#include "tests/host_cuda/kernel_face.hpp"
#include "tests/host_cuda/launch.hpp"

#else

#include "kernels/cuda/launch_gpu.cuh"

#endif
