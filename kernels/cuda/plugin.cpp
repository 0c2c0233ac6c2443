// The plug-in's door.

#include "backend/plugin.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "kernels/cuda/cuda_backend.hpp"
#include "krigon/error.hpp"

namespace {

std::string in_words(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

/// Throws EnvironmentError, in words that help.
void check_device(int device) {
  int driver = 0;
  int runtime = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  // Within one major version any driver serves.
  if (driver / 1000 < runtime / 1000) {
    throw krigon::EnvironmentError(
        driver == 0
            ? "there is no NVIDIA driver"
            : fmt::format(
                  "the NVIDIA driver is for CUDA {}, this build needs {}.0 or newer: update the driver",
                  in_words(driver), runtime / 1000));
  }
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw krigon::EnvironmentError(fmt::format("the NVIDIA driver does not start: {} ({})",
                                               cudaGetErrorString(status), cudaGetErrorName(status)));
  }
  if (count == 0) throw krigon::EnvironmentError("the NVIDIA driver sees no device");
  if (device < 0 || device >= count) {
    throw krigon::EnvironmentError(
        fmt::format("there is no device {}: {} found, counted from 0", device, count));
  }
}

}  // namespace

extern "C" [[gnu::visibility("default")]] krigon::Backend* krigon_plugin(const krigon::PluginRequest* request,
                                                                         char* why, std::size_t size) {
  const auto refuse = [&](std::string_view reason) -> krigon::Backend* {
    if (size == 0) return nullptr;
    const std::size_t count = std::min(reason.size(), size - 1);
    std::memcpy(why, reason.data(), count);
    why[count] = '\0';
    return nullptr;
  };
  try {
    if (std::strcmp(request->identity, krigon::kPluginIdentity) != 0) {
      return refuse(fmt::format("the plug-in is of another build ({}) than this program ({})",
                                krigon::kPluginIdentity, request->identity));
    }
    check_device(request->device);
    return new krigon::cuda::CudaBackend({.device = request->device});
  } catch (const std::exception& e) {
    return refuse(e.what());
  } catch (...) {
    return refuse("an error that has no name");
  }
}
