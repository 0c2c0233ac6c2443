#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

/// What tests ask of the host's CUDA and what it tells them.
namespace krigon::host_cuda {

/// What was done since the program's start.
struct Counters {
  std::uint64_t kernel_launches = 0;  ///< queued or captured, one for each kernel
  std::uint64_t graph_launches = 0;
  std::uint64_t library_calls = 0;  ///< of cuBLAS and cuSOLVER, that queue work
  std::uint64_t allocations = 0;    ///< of device and of pinned memory
  std::uint64_t frees = 0;
  std::uint64_t synchronisations = 0;  ///< calls in which the host waited for the device
  std::uint64_t copies_to_device = 0;
  std::uint64_t copies_to_host = 0;
  std::uint64_t pageable_copies = 0;  ///< those of either kind whose host side is not pinned
};
Counters counters();

std::size_t distinct_kernels();  ///< different kernels that were queued or captured

std::size_t live_allocations();  ///< of device memory
std::size_t device_bytes_used();

/// Bytes of device memory from now on, for out-of-memory; at first KRIGON_HOST_CUDA_MEMORY.
void set_device_bytes(std::size_t bytes);

/// The `nth` next call of the named function (1: the very next), say "cudaMalloc" or "cublasDgemm_v2",
/// fails with this error and does nothing. cuBLAS and cuSOLVER translate it to their own failure.
void fail_call(const char* function, cudaError_t error, int nth = 1);

/// Draws of threads', blocks' and streams' orders from this seed on.
void set_seed(std::uint64_t seed);

}  // namespace krigon::host_cuda
