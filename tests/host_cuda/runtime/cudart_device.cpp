// Stand-ins for the CUDA runtime: the device, its errors, and launches. The prototypes are those of the real
// headers, so that a wrong signature does not compile.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include "tests/host_cuda/launch.hpp"
#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/counters.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/streams.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

using namespace krigon::host_cuda;

namespace {

constexpr int kMultiprocessors = 4;
constexpr int kThreadsPerBlock = 1024;
constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kMajor = 9;
constexpr int kMinor = 0;
constexpr int kVersion = CUDART_VERSION;

cudaError_t last_error = cudaSuccess;

/// Bytes of dynamic shared memory that cudaFuncSetAttribute allowed a kernel.
std::map<const void*, std::size_t>& allowed_shared_bytes() {
  static std::map<const void*, std::size_t> by_kernel;
  return by_kernel;
}

bool invalid_configuration(dim3 grid, dim3 block) {
  const auto zero = [](dim3 d) { return d.x == 0 || d.y == 0 || d.z == 0; };
  return zero(grid) || zero(block) || grid.x > 0x7fffffffU || grid.y > 65535 || grid.z > 65535 ||
         block.x > 1024 || block.y > 1024 || block.z > 64 ||
         std::uint64_t{block.x} * block.y * block.z > kThreadsPerBlock;
}

bool is_mapped(std::uint64_t address) {
  unsigned char resident = 0;
  return mincore(reinterpret_cast<void*>(address / kPage * kPage), 1, &resident) == 0;
}

}  // namespace

namespace krigon::host_cuda {

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t queue_kernel(cudaStream_t stream, const void* kernel, KernelLaunch launch) {
  return api("cudaLaunchKernelExC", [&] {
    Stream& queue = Device::instance().stream(stream, "launch");
    if (invalid_configuration(launch.grid, launch.block)) return cudaErrorInvalidConfiguration;
    const auto allowed = allowed_shared_bytes().find(kernel);
    const std::size_t limit = allowed == allowed_shared_bytes().end() ? kStaticSharedLimit : allowed->second;
    if (launch.shared_bytes > limit) return cudaErrorInvalidValue;
    ++live_counters().kernel_launches;
    seen_kernels().insert(kernel);
    return Device::instance().enqueue(
        queue, {.name = "launch", .run = [launch = std::move(launch)] { run_kernel(launch); }});
  });
}

void check_pointer_argument(const void* pointer, int index, std::source_location site) {
  const std::lock_guard lock(runtime_mutex());
  DeviceMemory::instance().check_range(
      pointer, 1, fmt::format("argument {} of the kernel launched at {}", index, to_string(site)));
}

void check_struct_argument(const void* bytes, std::size_t size, int index, std::source_location site) {
  const std::lock_guard lock(runtime_mutex());
  // A word that names a mapped page high up and none of the device's is a pointer of the host's: no number
  // of a kernel's comes that near to one.
  constexpr std::uint64_t kLowest = std::uint64_t{1} << 40;
  constexpr std::uint64_t kHighest = std::uint64_t{1} << 47;
  for (std::size_t offset = 0; offset + 8 <= size; offset += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(bytes) + offset, 8);
    if (word < kLowest || word >= kHighest) continue;
    const void* const pointer = reinterpret_cast<const void*>(word);
    const std::string what =
        fmt::format("byte {} of argument {} of the kernel launched at {}", offset, index, to_string(site));
    if (DeviceMemory::instance().contains(pointer)) {
      DeviceMemory::instance().check_range(pointer, 1, what);
    } else if (is_mapped(word)) {
      violation(fmt::format("{} holds a pointer to host memory: {}", what, pointer));
    }
  }
}

}  // namespace krigon::host_cuda

extern "C" {

cudaError_t cudaGetLastError() {
  const std::lock_guard lock(runtime_mutex());
  return std::exchange(last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(runtime_mutex());
  return last_error;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidPitchValue:
      return "cudaErrorInvalidPitchValue";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureMerge:
      return "cudaErrorStreamCaptureMerge";
    case cudaErrorStreamCaptureUnmatched:
      return "cudaErrorStreamCaptureUnmatched";
    case cudaErrorStreamCaptureUnjoined:
      return "cudaErrorStreamCaptureUnjoined";
    case cudaErrorStreamCaptureIsolation:
      return "cudaErrorStreamCaptureIsolation";
    case cudaErrorStreamCaptureImplicit:
      return "cudaErrorStreamCaptureImplicit";
    case cudaErrorCapturedEvent:
      return "cudaErrorCapturedEvent";
    case cudaErrorStreamCaptureWrongThread:
      return "cudaErrorStreamCaptureWrongThread";
    default:
      return "unrecognized error code";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return cudaGetErrorName(error);
  }
}

cudaError_t cudaDriverGetVersion(int* version) {
  return api("cudaDriverGetVersion", [&] { return *version = kVersion, cudaSuccess; });
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  return api("cudaRuntimeGetVersion", [&] { return *version = kVersion, cudaSuccess; });
}
cudaError_t cudaGetDeviceCount(int* count) {
  return api("cudaGetDeviceCount", [&] { return *count = 1, cudaSuccess; });
}
cudaError_t cudaGetDevice(int* device) {
  return api("cudaGetDevice", [&] { return *device = 0, cudaSuccess; });
}
cudaError_t cudaSetDevice(int device) {
  return api("cudaSetDevice", [&] { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return api("cudaGetDeviceProperties", [&] {
    if (device != 0) return cudaErrorInvalidDevice;
    *properties = cudaDeviceProp{};
    std::snprintf(properties->name, sizeof properties->name, "CUDA executed on the host");
    properties->totalGlobalMem = settings().memory;
    properties->sharedMemPerBlock = kStaticSharedLimit;
    properties->sharedMemPerBlockOptin = kSharedLimit;
    properties->sharedMemPerMultiprocessor = kSharedLimit + 1024;
    properties->warpSize = static_cast<int>(kWarpSize);
    properties->maxThreadsPerBlock = kThreadsPerBlock;
    properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
    properties->multiProcessorCount = kMultiprocessors;
    properties->major = kMajor;
    properties->minor = kMinor;
    properties->memoryPoolsSupported = 1;
    properties->unifiedAddressing = 1;
    properties->asyncEngineCount = 2;
    properties->concurrentKernels = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return api("cudaDeviceGetAttribute", [&] {
    if (device != 0) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock:
        *value = kThreadsPerBlock;
        break;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = static_cast<int>(kStaticSharedLimit);
        break;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(kSharedLimit);
        break;
      case cudaDevAttrWarpSize:
        *value = static_cast<int>(kWarpSize);
        break;
      case cudaDevAttrMultiProcessorCount:
        *value = kMultiprocessors;
        break;
      case cudaDevAttrComputeCapabilityMajor:
        *value = kMajor;
        break;
      case cudaDevAttrComputeCapabilityMinor:
        *value = kMinor;
        break;
      case cudaDevAttrMemoryPoolsSupported:
        *value = 1;
        break;
      default:
        violation(
            fmt::format("cudaDeviceGetAttribute: attribute {} is not modelled", static_cast<int>(attribute)));
    }
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return api("cudaFuncSetAttribute", [&] {
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorInvalidValue;
    if (value < 0 || static_cast<std::size_t>(value) > kSharedLimit) return cudaErrorInvalidValue;
    allowed_shared_bytes()[kernel] = static_cast<std::size_t>(value);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return api("cudaDeviceSynchronize", [] {
    ++live_counters().synchronisations;
    return Device::instance().wait_all();
  });
}

}  // extern "C"
