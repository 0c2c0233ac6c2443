// Stand-ins for cuBLAS: handles and their settings.
#include <set>

#include "tests/host_cuda/runtime/cublas_call.hpp"

using namespace krigon::host_cuda;

namespace {

std::set<cublasHandle_t>& handles() {
  static auto* live = new std::set<cublasHandle_t>;  // outlives every static
  return *live;
}

template <class Change>
cublasStatus_t set(cublasHandle_t handle, Change change) {
  const std::lock_guard lock(runtime_mutex());
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  change(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

namespace krigon::host_cuda {

bool is_live(cublasHandle_t handle) {
  return handles().contains(handle);
}

cublasStatus_t to_cublas_status(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return CUBLAS_STATUS_SUCCESS;
    case cudaErrorMemoryAllocation:
      return CUBLAS_STATUS_ALLOC_FAILED;
    case cudaErrorInvalidValue:
      return CUBLAS_STATUS_INVALID_VALUE;
    default:
      return CUBLAS_STATUS_EXECUTION_FAILED;
  }
}

}  // namespace krigon::host_cuda

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  const std::lock_guard lock(runtime_mutex());
  *handle = nullptr;
  if (const cudaError_t e = injected_failure("cublasCreate_v2"); e != cudaSuccess) return to_cublas_status(e);
  if (Device::instance().refuse_in_capture() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
  *handle = new cublasContext;
  handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  const std::lock_guard lock(runtime_mutex());
  if (handles().erase(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
  return set(handle, [&](const cublasContext&) { *version = CUBLAS_VERSION; });
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return set(handle, [&](cublasContext& context) {
    Device::instance().stream(stream, "cublasSetStream");
    context.stream = stream;
  });
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return set(handle, [&](const cublasContext& context) { *stream = context.stream; });
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  return set(handle, [&](cublasContext& context) { context.pointer_mode = mode; });
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
  return set(handle, [&](const cublasContext& context) { *mode = context.pointer_mode; });
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return set(handle, [&](cublasContext& context) { context.math_mode = mode; });
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  return set(handle, [&](const cublasContext&) {
    DeviceMemory::instance().check_range(workspace, bytes, "cublasSetWorkspace: the workspace");
  });
}
const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the function failed to launch on the GPU";
    default:
      return "unknown status";
  }
}

}  // extern "C"
