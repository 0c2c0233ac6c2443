#include "kernels/cuda/check.hpp"

#include <limits>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon::cuda {

namespace {

/// cuSOLVER has no text of its own.
std::string_view solver_text(cusolverStatus_t status) {
  switch (status) {
    case CUSOLVER_STATUS_NOT_INITIALIZED:
      return "the library is not initialised";
    case CUSOLVER_STATUS_ALLOC_FAILED:
      return "out of memory";
    case CUSOLVER_STATUS_INVALID_VALUE:
      return "an invalid argument";
    case CUSOLVER_STATUS_ARCH_MISMATCH:
      return "the device is too old";
    case CUSOLVER_STATUS_EXECUTION_FAILED:
      return "a kernel failed";
    case CUSOLVER_STATUS_INTERNAL_ERROR:
      return "an internal error";
    default:
      return "an error";
  }
}

}  // namespace

void check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) return;
  // The error also waits for the next call to ask; that one is not to blame.
  static_cast<void>(cudaGetLastError());
  throw EnvironmentError(
      fmt::format("CUDA: {}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status)));
}

void check(cublasStatus_t status, std::string_view what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw EnvironmentError(fmt::format("cuBLAS: {}: {}", what, cublasGetStatusString(status)));
}

void check(cusolverStatus_t status, std::string_view what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  throw EnvironmentError(
      fmt::format("cuSOLVER: {}: {} (status {})", what, solver_text(status), static_cast<int>(status)));
}

int to_int(std::int64_t value, std::string_view what) {
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    throw UsageError(fmt::format("{}: {} is more than the device's libraries count to", what, value));
  }
  return static_cast<int>(value);
}

}  // namespace krigon::cuda
