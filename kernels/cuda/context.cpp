#include "kernels/cuda/context.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "kernels/cuda/check.hpp"
#include "krigon/error.hpp"

namespace krigon::cuda {

namespace {

constexpr std::size_t kStaging = std::size_t{1} << 20;         // up; as much again down
constexpr std::size_t kBlasWorkspace = std::size_t{32} << 20;  // what cuBLAS takes by itself on Hopper
constexpr std::size_t kAlignment = 256;

std::string in_words(std::size_t bytes) {
  constexpr double kMebibyte = 1048576;
  const double mebibytes = static_cast<double>(bytes) / kMebibyte;
  return mebibytes < 1024 ? fmt::format("{:.1f} MiB", mebibytes)
                          : fmt::format("{:.2f} GiB", mebibytes / 1024);
}

}  // namespace

Context::Context(int device) : device_(device) {
  try {
    create();
  } catch (...) {
    destroy();
    throw;
  }
}

Context::~Context() {
  destroy();
}

void Context::create() {
  check(cudaSetDevice(device_), fmt::format("choosing device {}", device_));
  int pools = 0;
  check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device_), "asking for memory pools");
  if (pools == 0) throw EnvironmentError(fmt::format("CUDA: device {} has no memory pools", device_));
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device_;
  check(cudaMemPoolCreate(&pool_, &properties), "creating a memory pool");
  // What is freed stays in the pool, for the next allocation.
  std::uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &threshold),
        "setting up the memory pool");
  void* staging = nullptr;
  check(cudaMallocHost(&staging, 2 * kStaging), "allocating pinned memory");
  staging_ = static_cast<std::byte*>(staging);
  check(cublasCreate(&blas_), "starting");
  check(cublasSetStream(blas_, stream_), "setting the stream");
  blas_workspace_ = allocate(kBlasWorkspace);
  check(cublasSetWorkspace(blas_, blas_workspace_, kBlasWorkspace), "setting the work space");
  check(cusolverDnCreate(&solver_), "starting");
  check(cusolverDnSetStream(solver_, stream_), "setting the stream");
  check(cusolverDnCreateParams(&parameters_), "creating parameters");
}

// What cannot be given back is the process's to give back at its end.
void Context::destroy() noexcept {
  static_cast<void>(cudaSetDevice(device_));
  if (stream_ != nullptr) static_cast<void>(cudaStreamSynchronize(stream_));
  if (parameters_ != nullptr) static_cast<void>(cusolverDnDestroyParams(parameters_));
  if (solver_ != nullptr) static_cast<void>(cusolverDnDestroy(solver_));
  if (blas_ != nullptr) static_cast<void>(cublasDestroy(blas_));
  free(blas_workspace_);
  for (const Block& block : scratch_) free(block.memory);
  if (staging_ != nullptr) static_cast<void>(cudaFreeHost(staging_));
  if (stream_ != nullptr) static_cast<void>(cudaStreamSynchronize(stream_));
  if (pool_ != nullptr) static_cast<void>(cudaMemPoolDestroy(pool_));
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

cudaStream_t Context::stream() const {
  check(cudaSetDevice(device_), "choosing the device");
  return stream_;
}
cublasHandle_t Context::blas() const {
  check(cudaSetDevice(device_), "choosing the device");
  return blas_;
}
cusolverDnHandle_t Context::solver() const {
  check(cudaSetDevice(device_), "choosing the device");
  return solver_;
}

void* Context::allocate(std::size_t bytes) {
  void* memory = nullptr;
  cudaError_t status = cudaMallocFromPoolAsync(&memory, bytes, pool_, stream());
  if (status == cudaErrorMemoryAllocation) {
    // What the pool keeps may be in the wrong pieces: give it back and try once more.
    static_cast<void>(cudaGetLastError());
    synchronize();
    check(cudaMemPoolTrimTo(pool_, 0), "emptying the memory pool");
    status = cudaMallocFromPoolAsync(&memory, bytes, pool_, stream());
  }
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the free memory");
    throw DeviceMemoryError(fmt::format("out of memory on cuda:{}: {} were asked for, {} of {} are free",
                                        device_, in_words(bytes), in_words(free), in_words(total)));
  }
  check(status, "allocating memory");
  return memory;
}

void Context::free(void* memory) noexcept {
  if (memory == nullptr) return;
  static_cast<void>(cudaSetDevice(device_));
  static_cast<void>(cudaFreeAsync(memory, stream_));
}

void* Context::scratch(Scratch use, std::size_t bytes) {
  Block& block = scratch_[static_cast<std::size_t>(use)];
  if (bytes > block.size) {
    free(std::exchange(block.memory, nullptr));
    block.size = 0;
    ++generation_;
    block.memory = allocate(bytes);
    block.size = bytes;
  }
  return block.memory;
}

void Context::release_scratch() noexcept {
  for (Block& block : scratch_) {
    free(std::exchange(block.memory, nullptr));
    block.size = 0;
  }
  ++generation_;
}

void* Context::host_scratch(std::size_t bytes) {
  if (bytes > host_scratch_.size()) host_scratch_.resize(bytes);
  return host_scratch_.data();
}

void Context::upload(const void* from, std::size_t bytes, void* to) {
  if (bytes == 0) return;
  if (bytes > kStaging / 4) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream()), "copying to the device");
    synchronize();
    return;
  }
  if (staged_ + bytes > kStaging) synchronize();
  std::memcpy(staging_ + staged_, from, bytes);
  check(cudaMemcpyAsync(to, staging_ + staged_, bytes, cudaMemcpyHostToDevice, stream()),
        "copying to the device");
  staged_ = (staged_ + bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void Context::download(const void* from, std::size_t bytes, void* to) {
  if (bytes == 0) return;
  void* target = bytes > kStaging ? to : staging_ + kStaging;
  check(cudaMemcpyAsync(target, from, bytes, cudaMemcpyDeviceToHost, stream()), "copying from the device");
  synchronize();
  if (target != to) std::memcpy(to, target, bytes);
}

void Context::synchronize() {
  check(cudaStreamSynchronize(stream()), "waiting for the device");
  staged_ = 0;
}

}  // namespace krigon::cuda
