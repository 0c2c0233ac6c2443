// Stand-ins for cuSOLVER's dense routines on LAPACK. The prototypes are those of the real header. Workspaces
// are overwritten, `info` holds what cuSOLVER says, and what it leaves undefined holds NaN.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <set>

#include <cusolverDn.h>

#include "tests/host_cuda/runtime/blas.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/libraries.hpp"

using namespace krigon::host_cuda;

struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};
struct cusolverDnParams {};

namespace {

std::set<cusolverDnHandle_t>& handles() {
  static auto* live = new std::set<cusolverDnHandle_t>;  // outlives every static
  return *live;
}

cusolverStatus_t to_status(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return CUSOLVER_STATUS_SUCCESS;
    case cudaErrorMemoryAllocation:
      return CUSOLVER_STATUS_ALLOC_FAILED;
    case cudaErrorInvalidValue:
      return CUSOLVER_STATUS_INVALID_VALUE;
    default:
      return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
}

/// One call: `body(check)` makes the checks and returns the work, queued unless a check failed.
template <class Body>
cusolverStatus_t cusolver(const char* call, cusolverDnHandle_t handle, Body body) {
  const std::lock_guard lock(runtime_mutex());
  if (const cudaError_t e = injected_failure(call); e != cudaSuccess) return to_status(e);
  if (!handles().contains(handle)) return CUSOLVER_STATUS_NOT_INITIALIZED;
  ArgumentCheck check(call);
  std::function<void()> work = body(check);
  if (!check.valid()) return CUSOLVER_STATUS_INVALID_VALUE;
  return to_status(queue_library_call(handle->stream, call, std::move(work)));
}

/// A query of a workspace's size.
template <class Answer>
cusolverStatus_t query(const char* call, cusolverDnHandle_t handle, bool valid, Answer answer) {
  const std::lock_guard lock(runtime_mutex());
  if (const cudaError_t e = injected_failure(call); e != cudaSuccess) return to_status(e);
  if (!handles().contains(handle)) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid) return CUSOLVER_STATUS_INVALID_VALUE;
  answer();
  return CUSOLVER_STATUS_SUCCESS;
}

char lapack(cublasFillMode_t uplo) {
  return uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U';
}
char lapack(cublasDiagType_t diag) {
  return diag == CUBLAS_DIAG_UNIT ? 'U' : 'N';
}

// Sizes of our own: some that a caller who guesses does not hit.
int potrf_doubles(int n) {
  return 32 * n + 17;
}
int potri_doubles(int n) {
  return n * std::min(n, 64) + 5;
}
std::size_t wide_bytes(long long n) {
  return static_cast<std::size_t>(256 * n + 136);
}
std::size_t wide_host_bytes(long long n) {
  return static_cast<std::size_t>(8 * n + 24);
}

void check_workspace(const ArgumentCheck& check, const void* workspace, std::size_t bytes,
                     std::size_t needed) {
  if (bytes < needed) {
    violation(fmt::format("{}: the workspace has {} bytes, {} are needed", check.call(), bytes, needed));
  }
  check.bytes("the workspace", workspace, bytes);
}
void check_host_workspace(const ArgumentCheck& check, void* workspace, std::size_t bytes,
                          std::size_t needed) {
  if (bytes < needed || (needed > 0 && workspace == nullptr)) {
    violation(
        fmt::format("{}: the host's workspace has {} bytes, {} are needed", check.call(), bytes, needed));
  }
  if (DeviceMemory::instance().contains(workspace)) {
    violation(fmt::format("{}: the host's workspace is on the device", check.call()));
  }
  std::memset(workspace, kUnset, needed);
}

/// The Cholesky factor in place of the triangle. Where a minor is not positive its number goes to `info`,
/// and what follows it is NaN: cuSOLVER promises nothing there.
int factorise(char uplo, int n, double* a, int lda) {
  int info = 0;
  dpotrf_(&uplo, &n, a, &lda, &info);
  for (int j = info - 1; info > 0 && j < n; ++j) {
    const int from = uplo == 'L' ? j : info - 1;
    const int to = uplo == 'L' ? n : j + 1;
    for (int i = from; i < to; ++i) a[i + std::ptrdiff_t{j} * lda] = std::numeric_limits<double>::quiet_NaN();
  }
  return info;
}

}  // namespace

extern "C" {

cusolverStatus_t cusolverGetVersion(int* version) {
  *version = CUSOLVER_VERSION;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  const std::lock_guard lock(runtime_mutex());
  *handle = nullptr;
  if (const cudaError_t e = injected_failure("cusolverDnCreate"); e != cudaSuccess) return to_status(e);
  if (Device::instance().refuse_in_capture() != cudaSuccess) return CUSOLVER_STATUS_EXECUTION_FAILED;
  *handle = new cusolverDnContext;
  handles().insert(*handle);
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  const std::lock_guard lock(runtime_mutex());
  if (handles().erase(handle) == 0) return CUSOLVER_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  return query("cusolverDnSetStream", handle, true, [&] {
    Device::instance().stream(stream, "cusolverDnSetStream");
    handle->stream = stream;
  });
}
cusolverStatus_t cusolverDnGetStream(cusolverDnHandle_t handle, cudaStream_t* stream) {
  return query("cusolverDnGetStream", handle, true, [&] { *stream = handle->stream; });
}
cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params) {
  const std::lock_guard lock(runtime_mutex());
  *params = nullptr;
  if (const cudaError_t e = injected_failure("cusolverDnCreateParams"); e != cudaSuccess) return to_status(e);
  *params = new cusolverDnParams;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params) {
  delete params;
  return CUSOLVER_STATUS_SUCCESS;
}

// ---- Cholesky

cusolverStatus_t cusolverDnDpotrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t, int n, double*,
                                             int lda, int* doubles) {
  return query("cusolverDnDpotrf_bufferSize", handle, n >= 0 && lda >= std::max(1, n),
               [&] { *doubles = potrf_doubles(n); });
}
cusolverStatus_t cusolverDnDpotrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double* a, int lda,
                                  double* workspace, int doubles, int* info) {
  return cusolver("cusolverDnDpotrf", handle, [&](ArgumentCheck& check) {
    check.matrix("A", a, n, n, lda);
    if (check.valid())
      check_workspace(check, workspace, 8 * static_cast<std::size_t>(doubles),
                      8 * static_cast<std::size_t>(potrf_doubles(n)));
    check.bytes("info", info, sizeof *info);
    return [=] {
      std::memset(workspace, kUnset, 8 * static_cast<std::size_t>(potrf_doubles(n)));
      *info = factorise(lapack(uplo), n, a, lda);
    };
  });
}
/// The other triangle serves cuSOLVER as workspace here, so it is lost.
cusolverStatus_t cusolverDnDpotrfBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double* a[],
                                         int lda, int* info, int batch) {
  return cusolver("cusolverDnDpotrfBatched", handle, [&](ArgumentCheck& check) {
    check.require(n >= 0 && lda >= std::max(1, n) && batch >= 0);
    if (check.valid()) {
      check.bytes("the array of pointers", a, 8 * static_cast<std::size_t>(batch));
      check.bytes("info", info, sizeof(int) * static_cast<std::size_t>(batch));
    }
    return [=] {
      for (int member = 0; member < batch; ++member) {
        ArgumentCheck(check.call()).matrix("A", a[member], n, n, lda);
        info[member] = factorise(lapack(uplo), n, a[member], lda);
        for (int j = 0; j < n; ++j) {
          const int from = uplo == CUBLAS_FILL_MODE_LOWER ? 0 : j + 1;
          const int to = uplo == CUBLAS_FILL_MODE_LOWER ? j : n;
          for (int i = from; i < to; ++i) {
            a[member][i + std::ptrdiff_t{j} * lda] = std::numeric_limits<double>::quiet_NaN();
          }
        }
      }
    };
  });
}
cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params,
                                             cublasFillMode_t, std::int64_t n, cudaDataType type, const void*,
                                             std::int64_t lda, cudaDataType compute,
                                             std::size_t* device_bytes, std::size_t* host_bytes) {
  const bool valid = params != nullptr && type == CUDA_R_64F && compute == CUDA_R_64F && n >= 0 &&
                     lda >= std::max<std::int64_t>(1, n);
  return query("cusolverDnXpotrf_bufferSize", handle, valid, [&] {
    *device_bytes = wide_bytes(n);
    *host_bytes = wide_host_bytes(n);
  });
}
cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t params, cublasFillMode_t uplo,
                                  std::int64_t n, cudaDataType type, void* a, std::int64_t lda,
                                  cudaDataType compute, void* workspace, std::size_t device_bytes,
                                  void* host_workspace, std::size_t host_bytes, int* info) {
  return cusolver("cusolverDnXpotrf", handle, [&](ArgumentCheck& check) {
    check.require(params != nullptr && type == CUDA_R_64F && compute == CUDA_R_64F);
    check.matrix("A", static_cast<const double*>(a), n, n, lda);
    if (check.valid()) {
      check_workspace(check, workspace, device_bytes, wide_bytes(n));
      check_host_workspace(check, host_workspace, host_bytes, wide_host_bytes(n));
    }
    check.bytes("info", info, sizeof *info);
    return [=] {
      std::memset(workspace, kUnset, wide_bytes(n));
      *info = factorise(lapack(uplo), static_cast<int>(n), static_cast<double*>(a), static_cast<int>(lda));
    };
  });
}

// ---- solving and inverting

cusolverStatus_t cusolverDnDpotrs(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int columns,
                                  const double* a, int lda, double* b, int ldb, int* info) {
  return cusolver("cusolverDnDpotrs", handle, [&](ArgumentCheck& check) {
    check.matrix("A", a, n, n, lda);
    check.matrix("B", b, n, columns, ldb);
    check.bytes("info", info, sizeof *info);
    return [=] {
      const char triangle = lapack(uplo);
      dpotrs_(&triangle, &n, &columns, a, &lda, b, &ldb, info);
    };
  });
}
cusolverStatus_t cusolverDnDpotri_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t, int n, double*,
                                             int lda, int* doubles) {
  return query("cusolverDnDpotri_bufferSize", handle, n >= 0 && lda >= std::max(1, n),
               [&] { *doubles = potri_doubles(n); });
}
cusolverStatus_t cusolverDnDpotri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double* a, int lda,
                                  double* workspace, int doubles, int* info) {
  return cusolver("cusolverDnDpotri", handle, [&](ArgumentCheck& check) {
    check.matrix("A", a, n, n, lda);
    if (check.valid())
      check_workspace(check, workspace, 8 * static_cast<std::size_t>(doubles),
                      8 * static_cast<std::size_t>(potri_doubles(n)));
    check.bytes("info", info, sizeof *info);
    return [=] {
      std::memset(workspace, kUnset, 8 * static_cast<std::size_t>(potri_doubles(n)));
      const char triangle = lapack(uplo);
      dpotri_(&triangle, &n, a, &lda, info);
    };
  });
}
cusolverStatus_t cusolverDnXtrtri_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t, cublasDiagType_t,
                                             std::int64_t n, cudaDataType type, void*, std::int64_t lda,
                                             std::size_t* device_bytes, std::size_t* host_bytes) {
  return query("cusolverDnXtrtri_bufferSize", handle,
               type == CUDA_R_64F && n >= 0 && lda >= std::max<std::int64_t>(1, n), [&] {
                 *device_bytes = wide_bytes(n);
                 *host_bytes = wide_host_bytes(n);
               });
}
cusolverStatus_t cusolverDnXtrtri(cusolverDnHandle_t handle, cublasFillMode_t uplo, cublasDiagType_t diag,
                                  std::int64_t n, cudaDataType type, void* a, std::int64_t lda,
                                  void* workspace, std::size_t device_bytes, void* host_workspace,
                                  std::size_t host_bytes, int* info) {
  return cusolver("cusolverDnXtrtri", handle, [&](ArgumentCheck& check) {
    check.require(type == CUDA_R_64F);
    check.matrix("A", static_cast<const double*>(a), n, n, lda);
    if (check.valid()) {
      check_workspace(check, workspace, device_bytes, wide_bytes(n));
      check_host_workspace(check, host_workspace, host_bytes, wide_host_bytes(n));
    }
    check.bytes("info", info, sizeof *info);
    return [=] {
      std::memset(workspace, kUnset, wide_bytes(n));
      const char triangle = lapack(uplo);
      const char unit = lapack(diag);
      const int order = static_cast<int>(n);
      const int leading = static_cast<int>(lda);
      dtrtri_(&triangle, &unit, &order, static_cast<double*>(a), &leading, info);
    };
  });
}

}  // extern "C"
