#pragma once

#include <functional>
#include <utility>

#include <cublas_v2.h>

#include "tests/host_cuda/runtime/blas.hpp"
#include "tests/host_cuda/runtime/libraries.hpp"

/// What the stand-ins for cuBLAS share. Their prototypes are those of the real header. Sizes and leading
/// dimensions that cuBLAS refuses give CUBLAS_STATUS_INVALID_VALUE; memory that it would reach blindly is
/// checked here.
struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
};

namespace krigon::host_cuda {

bool is_live(cublasHandle_t handle);
cublasStatus_t to_cublas_status(cudaError_t error);

/// One call: `body(context, check)` makes the checks and returns the work, queued unless a check failed.
template <class Body>
cublasStatus_t cublas(const char* call, cublasHandle_t handle, Body body) {
  const std::lock_guard lock(runtime_mutex());
  if (const cudaError_t e = injected_failure(call); e != cudaSuccess) return to_cublas_status(e);
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  ArgumentCheck check(call);
  std::function<void()> work = body(*handle, check);
  if (!check.valid()) return CUBLAS_STATUS_INVALID_VALUE;
  return to_cublas_status(queue_library_call(handle->stream, call, std::move(work)));
}

inline CBLAS_TRANSPOSE blas(cublasOperation_t op) {
  return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}
inline CBLAS_UPLO blas(cublasFillMode_t uplo) {
  return uplo == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper;
}
inline CBLAS_SIDE blas(cublasSideMode_t side) {
  return side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight;
}
inline CBLAS_DIAG blas(cublasDiagType_t diag) {
  return diag == CUBLAS_DIAG_UNIT ? CblasUnit : CblasNonUnit;
}

}  // namespace krigon::host_cuda
