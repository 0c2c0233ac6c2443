#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <fmt/format.h>

#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/blas.hpp"
#include "tests/host_cuda/runtime/counters.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/streams.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

/// What the stand-ins for cuBLAS and cuSOLVER share: the checks of their arguments, and queueing.
namespace krigon::host_cuda {

/// The checks of one call: sizes that the libraries themselves refuse make it invalid; memory that they
/// would follow blindly ends the process.
class ArgumentCheck {
 public:
  explicit ArgumentCheck(const char* call) : call_(call) {}

  void require(bool holds) { valid_ = valid_ && holds; }
  /// A column-major matrix of doubles on the device.
  void matrix(const char* name, const double* p, long long rows, long long columns, long long leading) {
    require(rows >= 0 && columns >= 0 && leading >= std::max(1LL, rows));
    if (valid_ && rows > 0 && columns > 0) {
      bytes(name, p,
            8 * (static_cast<std::size_t>(leading) * static_cast<std::size_t>(columns - 1) +
                 static_cast<std::size_t>(rows)));
    }
  }
  void vector(const char* name, const double* p, long long n, long long increment) {
    require(n >= 0 && increment != 0);
    if (increment < 0)
      violation(fmt::format("{}: {} has a negative increment, which is not modelled", call_, name));
    if (valid_ && n > 0) bytes(name, p, 8 * static_cast<std::size_t>((n - 1) * increment + 1));
  }
  void bytes(const char* name, const void* p, std::size_t count) const {
    DeviceMemory::instance().check_range(p, count, fmt::format("{}: {}", call_, name));
  }
  bool valid() const { return valid_; }
  const char* call() const { return call_; }

 private:
  const char* call_;
  bool valid_ = true;
};

/// A scalar argument: taken at the call from the host, or when the work runs from the device.
class Scalar {
 public:
  Scalar(const ArgumentCheck& check, const char* name, const double* p, cublasPointerMode_t mode) {
    if (mode == CUBLAS_POINTER_MODE_HOST) {
      if (DeviceMemory::instance().contains(p)) {
        violation(fmt::format("{}: {} is on the device, but the pointer mode is host", check.call(), name));
      }
      value_ = *p;
    } else {
      check.bytes(name, p, 8);
      device_ = p;
    }
  }
  double operator*() const { return device_ != nullptr ? *device_ : value_; }

 private:
  const double* device_ = nullptr;
  double value_ = 0;
};

/// While it lives, the BLAS has one thread: waking more takes longer than the tests' matrices do, and bits
/// would depend on how many there are.
class OneThread {
 public:
  OneThread() : before_(openblas_get_num_threads()) { openblas_set_num_threads(1); }
  ~OneThread() { openblas_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

inline cudaError_t queue_library_call(cudaStream_t stream, const char* call, std::function<void()> run) {
  ++live_counters().library_calls;
  Device& device = Device::instance();
  return device.enqueue(device.stream(stream, call), {.name = call, .run = [work = std::move(run)] {
                                                        const OneThread one;
                                                        work();
                                                      }});
}

}  // namespace krigon::host_cuda
