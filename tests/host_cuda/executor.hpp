#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

#include <cuda_runtime.h>

/// The block executor: what a kernel's threads call, and what starts them. Two implementations, one of
/// which a program links: runtime/fiber_executor.cpp (fibers of one thread, in shuffled order) and
/// runtime/thread_executor.cpp (a thread per CUDA thread, for the thread sanitizer to judge).
namespace krigon::host_cuda {

/// Where the running CUDA thread stands; behind threadIdx and its like.
struct Position {
  uint3 thread;
  uint3 block;
  dim3 block_size;
  dim3 grid_size;
  unsigned linear;  ///< the thread's number in its block
};
// Small and fixed in size, so that it may live in the static block even of a library opened late.
extern constinit thread_local Position position [[gnu::tls_model("initial-exec")]];

constexpr unsigned kWarpSize = 32;
constexpr unsigned kFullMask = 0xffffffffU;
constexpr std::size_t kStaticSharedLimit = 48 * 1024;
constexpr std::size_t kSharedLimit = 227 * 1024;  ///< of compute capability 9.0, with the attribute set

struct KernelLaunch {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  std::source_location site;
  std::function<void()> body;  ///< the kernel with its arguments, for one CUDA thread
};

/// Runs every thread of every block to its end.
void run_kernel(const KernelLaunch& launch);

/// The launch that runs now; null between kernels.
const KernelLaunch* running_launch();

// What kernels call. Violations of CUDA's rules end the process (runtime/violation.hpp).
void block_barrier(std::source_location where);
void warp_barrier(unsigned mask, std::source_location where);
/// Gives `bits` to the lanes of `mask` and returns those of lane `source`, which must be in it.
std::uint64_t warp_exchange(unsigned mask, std::uint64_t bits, unsigned source, std::source_location where);
/// The lanes of `mask` whose predicate holds.
unsigned warp_ballot(unsigned mask, bool predicate, std::source_location where);
/// The block's array that `key`, a static of the kernel, stands for.
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name);
void* dynamic_shared();

}  // namespace krigon::host_cuda
