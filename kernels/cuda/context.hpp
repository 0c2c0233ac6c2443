#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

namespace krigon::cuda {

/// Work space of the context, by what uses it. Uses of one call never share an entry.
enum class Scratch : std::size_t {
  pointers,
  more_pointers,
  flags,
  solver_info,
  solver,  ///< cuSOLVER's own
  inverse,
  product,
  column,
  sums,
  count,
};

/// One device as one backend uses it: a stream, the libraries' handles, a pool of memory and work space
/// that grows and stays.
///
/// The rule of streams: everything goes into the one stream, in the order of the calls; nothing waits for it
/// but download() and synchronize(). Hence memory may be freed, reused or overwritten as soon as the last
/// call that uses it was made, never mind when it runs.
class Context {
 public:
  /// Throws EnvironmentError where the device cannot be used.
  explicit Context(int device);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// For the next call: makes the device this thread's, whichever thread that is.
  cudaStream_t stream() const;
  cublasHandle_t blas() const;
  cusolverDnHandle_t solver() const;
  cusolverDnParams_t solver_parameters() const { return parameters_; }
  int device() const { return device_; }

  /// Bytes that hold anything. Throws DeviceMemoryError.
  void* allocate(std::size_t bytes);
  void free(void* memory) noexcept;

  /// At least `bytes` bytes, which hold anything, until the next call for this entry.
  void* scratch(Scratch use, std::size_t bytes);
  template <typename T>
  T* scratch(Scratch use, std::int64_t count) {
    return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T)));
  }
  /// Gives all of it back to the pool.
  void release_scratch() noexcept;
  /// Memory of the host that stays.
  void* host_scratch(std::size_t bytes);
  /// Rises when an entry of the work space moves, so that what was recorded with the old address can tell.
  std::int64_t scratch_generation() const { return generation_; }

  /// `from` may go as soon as it returns.
  void upload(const void* from, std::size_t bytes, void* to);
  /// Waits for everything before it.
  void download(const void* from, std::size_t bytes, void* to);
  void synchronize();

 private:
  void create();
  void destroy() noexcept;

  struct Block {
    void* memory = nullptr;
    std::size_t size = 0;
  };

  int device_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  cusolverDnHandle_t solver_ = nullptr;
  cusolverDnParams_t parameters_ = nullptr;
  void* blas_workspace_ = nullptr;
  std::byte* staging_ = nullptr;  ///< pinned memory of the host, on the way up and on the way down
  std::size_t staged_ = 0;        ///< bytes of it that copies up may still read
  std::array<Block, static_cast<std::size_t>(Scratch::count)> scratch_;
  std::vector<std::byte> host_scratch_;
  std::int64_t generation_ = 0;
};

}  // namespace krigon::cuda
