#pragma once

#include <mutex>
#include <utility>

#include <cuda_runtime.h>

/// What every entry point of the stand-ins goes through: one lock, the injected failures of
/// control.hpp, and the error that cudaGetLastError reports.
namespace krigon::host_cuda {

std::recursive_mutex& runtime_mutex();

/// The failure that a test asked for at this call; cudaSuccess otherwise.
cudaError_t injected_failure(const char* call);

cudaError_t remember(cudaError_t error);

template <class Body>
cudaError_t api(const char* call, Body body) {
  const std::lock_guard lock(runtime_mutex());
  const cudaError_t injected = injected_failure(call);
  return remember(injected != cudaSuccess ? injected : body());
}

}  // namespace krigon::host_cuda
