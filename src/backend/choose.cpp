#include "backend/choose.hpp"

#include <fmt/format.h>

#include "backend/cuda_plugin.hpp"
#include "core/device.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace {

/// Below as many observations a CPU is done before a GPU has started; above, what the GPU holds of the memory
/// that the trials may want too is well spent.
constexpr std::int64_t kPointsForGpu = 1000;

std::string describe(const Backend& backend) {
  const BackendInfo info = backend.info();
  return info.device == "cpu" ? "cpu" : fmt::format("{} ({})", info.device, info.blas_core);
}

ChosenBackend named(PluginBackend opened, std::string_view device) {
  if (!opened.backend) throw EnvironmentError(fmt::format("device {}: {}", device, opened.reason));
  std::string line = fmt::format("{}, as asked", describe(*opened.backend));
  return {std::move(opened.backend), std::move(line)};
}

ChosenBackend on_cpu(std::string_view why) {
  return {make_cpu_backend(), fmt::format("cpu{}{}", why.empty() ? "" : ", ", why)};
}

}  // namespace

ChosenBackend choose_backend(std::string_view device, std::optional<std::int64_t> points) {
  if (!is_device(device)) {
    throw UsageError(fmt::format("device: found \"{}\", allowed are {}", device, kDeviceWords));
  }
  if (device == "cpu") return on_cpu("as asked");
  if (device == kDeviceOnHost) return named(open_cuda_on_host_backend(), device);
  if (const auto number = cuda_device(device)) return named(open_cuda_backend(*number), device);
  if (!points) return on_cpu("for how many trials there will be is not known");
  if (*points < kPointsForGpu) {
    return on_cpu(fmt::format("which is faster for fewer than {} trials", kPointsForGpu));
  }
  PluginBackend opened = open_cuda_backend(0);
  if (!opened.backend) return on_cpu(opened.reason);
  std::string line = fmt::format("{}, for {} trials", describe(*opened.backend), *points);
  return {std::move(opened.backend), std::move(line)};
}

}  // namespace krigon
