#pragma once

#include <cstdint>
#include <string_view>

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

namespace krigon::cuda {

/// Each throws EnvironmentError with the library's own text where the call failed; `what` says which.
void check(cudaError_t status, std::string_view what);
void check(cublasStatus_t status, std::string_view what);
void check(cusolverStatus_t status, std::string_view what);

/// The libraries count in int. Throws UsageError beyond it.
int to_int(std::int64_t value, std::string_view what);

}  // namespace krigon::cuda
