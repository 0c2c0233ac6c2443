// Stand-ins for the CUDA runtime: memory of device and host, copies and fills.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/counters.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/streams.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

using namespace krigon::host_cuda;

namespace {

/// Pinned memory by its start.
std::map<const char*, std::size_t>& pinned() {
  static auto* blocks = new std::map<const char*, std::size_t>;  // outlives every static
  return *blocks;
}

bool is_pinned(const void* p, std::size_t bytes) {
  const char* const at = static_cast<const char*>(p);
  auto next = pinned().upper_bound(at);
  return next != pinned().begin() && at + bytes <= (--next)->first + next->second;
}

bool on_device(const void* p) {
  return DeviceMemory::instance().contains(p);
}

/// A copy of `height` rows of `width` bytes, `pitch` bytes from row to row.
struct Copy {
  const char* call;
  void* to;
  std::size_t to_pitch;
  const void* from;
  std::size_t from_pitch;
  std::size_t width;
  std::size_t height;

  std::size_t to_extent() const { return height == 0 || width == 0 ? 0 : to_pitch * (height - 1) + width; }
  std::size_t from_extent() const {
    return height == 0 || width == 0 ? 0 : from_pitch * (height - 1) + width;
  }
  void run() const {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch,
                  width);
    }
  }
};

void check_directions(const Copy& copy, cudaMemcpyKind kind) {
  if (kind != cudaMemcpyDefault) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (on_device(copy.to) != to_device) {
      violation(fmt::format("{}: the destination {} the device, against the kind of the copy", copy.call,
                            on_device(copy.to) ? "is on" : "is not on"));
    }
    if (on_device(copy.from) != from_device) {
      violation(fmt::format("{}: the source {} the device, against the kind of the copy", copy.call,
                            on_device(copy.from) ? "is on" : "is not on"));
    }
  }
  const DeviceMemory& memory = DeviceMemory::instance();
  if (on_device(copy.to))
    memory.check_range(copy.to, copy.to_extent(), std::string(copy.call) + ": the destination");
  if (on_device(copy.from))
    memory.check_range(copy.from, copy.from_extent(), std::string(copy.call) + ": the source");
}

cudaError_t queue_copy(const Copy& copy, cudaMemcpyKind kind, Stream& stream) {
  if (copy.to_extent() == 0) return cudaSuccess;
  check_directions(copy, kind);
  Operation operation{.name = copy.call};
  Counters& count = live_counters();
  if (on_device(copy.to) && !on_device(copy.from)) {
    ++count.copies_to_device;
    operation.host = {copy.from, copy.from_extent()};
    if (!is_pinned(copy.from, copy.from_extent())) {
      ++count.pageable_copies;
      if (stream.capture) {
        violation(fmt::format("{}: pageable host memory in a capture", copy.call));
      }
      // CUDA takes pageable memory's content before the call returns, pinned memory's at any time.
      std::vector<char> staged(static_cast<const char*>(copy.from),
                               static_cast<const char*>(copy.from) + copy.from_extent());
      operation.host = {};
      operation.run = [copy, staged = std::move(staged)] {
        Copy from_staged = copy;
        from_staged.from = staged.data();
        from_staged.run();
      };
      return Device::instance().enqueue(stream, std::move(operation));
    }
  } else if (!on_device(copy.to) && on_device(copy.from)) {
    ++count.copies_to_host;
    operation.host = {copy.to, copy.to_extent()};
    operation.poisons_host = copy.width == copy.to_pitch || copy.height == 1;
    if (!is_pinned(copy.to, copy.to_extent())) {
      ++count.pageable_copies;
      if (stream.capture) violation(fmt::format("{}: pageable host memory in a capture", copy.call));
    }
  }
  operation.run = [copy] { copy.run(); };
  return Device::instance().enqueue(stream, std::move(operation));
}

cudaError_t copy_and_wait(const Copy& copy, cudaMemcpyKind kind) {
  Device& device = Device::instance();
  if (const cudaError_t refused = device.refuse_in_capture(); refused != cudaSuccess) return refused;
  Stream& stream = device.stream(nullptr, copy.call);
  ++live_counters().synchronisations;
  const cudaError_t error = queue_copy(copy, kind, stream);
  return error != cudaSuccess ? error : device.wait(stream);
}

cudaError_t allocate(void** p, std::size_t bytes, Allocation::State state) {
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  DeviceMemory& memory = DeviceMemory::instance();
  void* start = memory.allocate(bytes, state);
  if (start == nullptr && Device::instance().wait_all() == cudaSuccess) {
    start = memory.allocate(bytes, state);  // queued frees have come true
  }
  if (start == nullptr) return cudaErrorMemoryAllocation;
  ++live_counters().allocations;
  *p = start;
  return cudaSuccess;
}

cudaError_t queue_fill(void* p, std::size_t pitch, int value, std::size_t width, std::size_t height,
                       cudaStream_t stream, const char* call) {
  if (width == 0 || height == 0) return cudaSuccess;
  DeviceMemory::instance().check_range(p, pitch * (height - 1) + width, call);
  Device& device = Device::instance();
  return device.enqueue(device.stream(stream, call), {.name = call, .run = [=] {
                                                        for (std::size_t row = 0; row < height; ++row) {
                                                          std::memset(static_cast<char*>(p) + row * pitch,
                                                                      value, width);
                                                        }
                                                      }});
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  return api("cudaMalloc", [&] {
    const cudaError_t refused = Device::instance().refuse_in_capture();
    return refused != cudaSuccess ? refused : allocate(p, bytes, Allocation::State::kLive);
  });
}

cudaError_t cudaFree(void* p) {
  return api("cudaFree", [&] {
    if (p == nullptr) return cudaSuccess;
    Device& device = Device::instance();
    if (const cudaError_t refused = device.refuse_in_capture(); refused != cudaSuccess) return refused;
    DeviceMemory& memory = DeviceMemory::instance();
    memory.find(p, "cudaFree");
    // cudaFree waits for work that may use the memory.
    if (const cudaError_t error = device.wait_all(); error != cudaSuccess) return error;
    memory.release(p);
    ++live_counters().frees;
    return cudaSuccess;
  });
}

cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t stream) {
  return api("cudaMallocAsync", [&] {
    Device& device = Device::instance();
    Stream& queue = device.stream(stream, "cudaMallocAsync");
    if (const cudaError_t refused = device.refuse_in_capture(queue); refused != cudaSuccess) return refused;
    const cudaError_t error = allocate(p, bytes, Allocation::State::kQueued);
    if (error != cudaSuccess || *p == nullptr) return error;
    return device.enqueue(queue, {.name = "cudaMallocAsync",
                                  .run = [start = *p] { DeviceMemory::instance().make_live(start); }});
  });
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  return api("cudaFreeAsync", [&] {
    if (p == nullptr) return cudaSuccess;
    Device& device = Device::instance();
    Stream& queue = device.stream(stream, "cudaFreeAsync");
    if (const cudaError_t refused = device.refuse_in_capture(queue); refused != cudaSuccess) return refused;
    DeviceMemory& memory = DeviceMemory::instance();
    memory.find(p, "cudaFreeAsync");
    memory.mark_free_queued(p);
    ++live_counters().frees;
    return device.enqueue(queue,
                          {.name = "cudaFreeAsync", .run = [p] { DeviceMemory::instance().release(p); }});
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return api("cudaMemGetInfo", [&] {
    const std::size_t used = DeviceMemory::instance().used();
    *total = settings().memory;
    *free = *total > used ? *total - used : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  return api("cudaHostAlloc", [&] {
    *p = nullptr;
    if (const cudaError_t refused = Device::instance().refuse_in_capture(); refused != cudaSuccess)
      return refused;
    if (bytes == 0) return cudaSuccess;
    *p = std::aligned_alloc(256, round_up(bytes, 256));
    if (*p == nullptr) return cudaErrorMemoryAllocation;
    std::memset(*p, kUnset, bytes);
    pinned()[static_cast<const char*>(*p)] = bytes;
    ++live_counters().allocations;
    return cudaSuccess;
  });
}
cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  const cudaError_t injected = api("cudaMallocHost", [] { return cudaSuccess; });
  return injected != cudaSuccess ? injected : cudaHostAlloc(p, bytes, cudaHostAllocDefault);
}
cudaError_t cudaFreeHost(void* p) {
  return api("cudaFreeHost", [&] {
    if (p == nullptr) return cudaSuccess;
    const auto found = pinned().find(static_cast<const char*>(p));
    if (found == pinned().end()) violation(fmt::format("cudaFreeHost: {} is not pinned memory", p));
    if (const Operation* user = Device::instance().pending_use_of(p, found->second)) {
      violation(fmt::format("cudaFreeHost: a queued {} still uses the memory", user->name));
    }
    pinned().erase(found);
    std::free(p);
    ++live_counters().frees;
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return api("cudaMemcpyAsync", [&] {
    return queue_copy({"cudaMemcpyAsync", to, bytes, from, bytes, bytes, 1}, kind,
                      Device::instance().stream(stream, "cudaMemcpyAsync"));
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return api("cudaMemcpy", [&] {
    return copy_and_wait({"cudaMemcpy", to, bytes, from, bytes, bytes, 1}, kind);
  });
}
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return api("cudaMemcpy2DAsync", [&] {
    if (to_pitch < width || from_pitch < width) return cudaErrorInvalidPitchValue;
    return queue_copy({"cudaMemcpy2DAsync", to, to_pitch, from, from_pitch, width, height}, kind,
                      Device::instance().stream(stream, "cudaMemcpy2DAsync"));
  });
}
cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  return api("cudaMemcpy2D", [&] {
    if (to_pitch < width || from_pitch < width) return cudaErrorInvalidPitchValue;
    return copy_and_wait({"cudaMemcpy2D", to, to_pitch, from, from_pitch, width, height}, kind);
  });
}

cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  return api("cudaMemsetAsync",
             [&] { return queue_fill(p, bytes, value, bytes, 1, stream, "cudaMemsetAsync"); });
}
cudaError_t cudaMemset2DAsync(void* p, std::size_t pitch, int value, std::size_t width, std::size_t height,
                              cudaStream_t stream) {
  return api("cudaMemset2DAsync", [&] {
    if (pitch < width) return cudaErrorInvalidPitchValue;
    return queue_fill(p, pitch, value, width, height, stream, "cudaMemset2DAsync");
  });
}
cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  return api("cudaMemset", [&] {
    const cudaError_t refused = Device::instance().refuse_in_capture();
    return refused != cudaSuccess ? refused : queue_fill(p, bytes, value, bytes, 1, nullptr, "cudaMemset");
  });
}

}  // extern "C"
