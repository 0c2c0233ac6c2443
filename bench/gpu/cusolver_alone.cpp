#include "cusolver_alone.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <cuda_runtime.h>
#include <cusolverDn.h>

#include "krigon/error.hpp"
#include "table.hpp"

namespace krigon::bench {

namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw EnvironmentError(std::string("cuSOLVER alone: ") + what + ": " + cudaGetErrorString(status));
}
void check(cusolverStatus_t status, const char* what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  throw EnvironmentError(std::string("cuSOLVER alone: ") + what + ": status " + std::to_string(status));
}

class DeviceBytes {
 public:
  explicit DeviceBytes(std::size_t bytes) {
    check(cudaMalloc(&memory_, bytes == 0 ? 8 : bytes), "allocating");
  }
  ~DeviceBytes() { static_cast<void>(cudaFree(memory_)); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  template <typename T>
  T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  void* memory_ = nullptr;
};

struct Handles {
  Handles() {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    check(cusolverDnCreate(&solver), "starting");
    check(cusolverDnSetStream(solver, stream), "setting the stream");
    check(cusolverDnCreateParams(&parameters), "creating parameters");
  }
  ~Handles() {
    static_cast<void>(cusolverDnDestroyParams(parameters));
    static_cast<void>(cusolverDnDestroy(solver));
    static_cast<void>(cudaStreamDestroy(stream));
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  cudaStream_t stream = nullptr;
  cusolverDnHandle_t solver = nullptr;
  cusolverDnParams_t parameters = nullptr;
};

}  // namespace

CusolverSeconds cusolver_alone(int device, std::int64_t n, std::span<const double> matrix, int repeats) {
  check(cudaSetDevice(device), "choosing the device");
  const Handles on;
  const int order = static_cast<int>(n);
  const DeviceBytes original(matrix.size_bytes());
  const DeviceBytes work_on(matrix.size_bytes());
  const DeviceBytes info(sizeof(int));
  check(cudaMemcpyAsync(original.as<double>(), matrix.data(), matrix.size_bytes(), cudaMemcpyHostToDevice,
                        on.stream),
        "copying");
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  check(cusolverDnXpotrf_bufferSize(on.solver, on.parameters, CUBLAS_FILL_MODE_LOWER, order, CUDA_R_64F,
                                    work_on.as<double>(), order, CUDA_R_64F, &device_bytes, &host_bytes),
        "sizing potrf");
  int inverse_size = 0;
  check(cusolverDnDpotri_bufferSize(on.solver, CUBLAS_FILL_MODE_LOWER, order, work_on.as<double>(), order,
                                    &inverse_size),
        "sizing potri");
  const DeviceBytes factor_space(device_bytes);
  const DeviceBytes inverse_space(static_cast<std::size_t>(inverse_size) * sizeof(double));
  std::vector<std::byte> host_space(host_bytes);
  const auto wait = [&] { check(cudaStreamSynchronize(on.stream), "waiting"); };
  std::vector<double> factorise, invert;
  for (int i = 0; i <= repeats; ++i) {
    check(cudaMemcpyAsync(work_on.as<double>(), original.as<double>(), matrix.size_bytes(),
                          cudaMemcpyDeviceToDevice, on.stream),
          "copying");
    wait();
    const double factor_seconds = seconds([&] {
      check(cusolverDnXpotrf(on.solver, on.parameters, CUBLAS_FILL_MODE_LOWER, order, CUDA_R_64F,
                             work_on.as<double>(), order, CUDA_R_64F, factor_space.as<void>(), device_bytes,
                             host_space.data(), host_bytes, info.as<int>()),
            "potrf");
      wait();
    });
    const double inverse_seconds = seconds([&] {
      check(cusolverDnDpotri(on.solver, CUBLAS_FILL_MODE_LOWER, order, work_on.as<double>(), order,
                             inverse_space.as<double>(), inverse_size, info.as<int>()),
            "potri");
      wait();
    });
    if (i == 0) continue;
    factorise.push_back(factor_seconds);
    invert.push_back(inverse_seconds);
  }
  return {median(factorise), median(invert)};
}

}  // namespace krigon::bench
