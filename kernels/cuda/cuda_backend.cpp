#include "kernels/cuda/cuda_backend.hpp"

#include <fmt/format.h>

#include "kernels/cuda/check.hpp"

namespace krigon::cuda {

namespace {

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "asking for a device's attribute");
  return value;
}

}  // namespace

CudaBackend::CudaBackend(const CudaOptions& options) : options_(options), context_(options.device) {}

BackendInfo CudaBackend::info() const {
  const int device = context_.device();
  int blas = 0;
  check(cublasGetVersion(context_.blas(), &blas), "asking for the version");
  int solver = 0;
  check(cusolverGetVersion(&solver), "asking for the version");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "asking for a device's properties");
  BackendInfo info;
  info.device = fmt::format("cuda:{}", device);
  info.instructions = fmt::format("sm_{}{}", attribute(cudaDevAttrComputeCapabilityMajor, device),
                                  attribute(cudaDevAttrComputeCapabilityMinor, device));
  info.blas = fmt::format("cuBLAS {}, cuSOLVER {}", blas, solver);
  info.blas_core = static_cast<const char*>(properties.name);
  info.blas_parallel = "one stream";
  info.threads = 1;
  return info;
}

double* CudaBackend::allocate_doubles(std::size_t count) {
  const std::size_t bytes = count * sizeof(double);
  auto* data = static_cast<double*>(context_.allocate(bytes));
  if (const cudaError_t status = cudaMemsetAsync(data, 0, bytes, context_.stream()); status != cudaSuccess) {
    context_.free(data);
    check(status, "clearing memory");
  }
  return data;
}

void CudaBackend::free_doubles(double* data) noexcept {
  context_.free(data);
}

void CudaBackend::upload(std::span<const double> from, double* to) {
  context_.upload(from.data(), from.size_bytes(), to);
}

void CudaBackend::download(const double* from, std::span<double> to) {
  context_.download(from, to.size_bytes(), to.data());
}

}  // namespace krigon::cuda
