#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>
#include <unistd.h>

#include "app/services.hpp"
#include "backend/backend.hpp"
#include "krigon/error.hpp"
#include "krigon/study.hpp"
#include "runner/runner.hpp"

namespace krigon::app {
namespace {

using cli::Finding;

/// Asks the driver, if there is one. Its calls are looked up by name so that one program serves
/// machines with and without it.
Finding examine_gpu() {
  Finding finding{.name = "gpu", .value = "none", .ok = true, .hint = ""};
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    finding.hint = "no NVIDIA driver here (libcuda.so.1 is not found)";
    return finding;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto count_devices = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDeviceGetCount"));
  int count = 0;
  if (init == nullptr || count_devices == nullptr) {
    finding.hint = "libcuda.so.1 is there but is no CUDA driver";
  } else if (const int error = init(0); error != 0) {
    finding.hint = fmt::format("the NVIDIA driver does not start (error {})", error);
  } else if (count_devices(&count) != 0 || count == 0) {
    finding.hint = "the NVIDIA driver sees no device";
  } else {
    finding.value = fmt::format("{} found", count);
    finding.hint = "not used for proposals: this build computes on the CPU";
  }
  ::dlclose(driver);
  return finding;
}

void examine_backend(std::vector<Finding>& findings) {
  try {
    const BackendInfo info = make_cpu_backend()->info();
    findings.push_back({.name = "backend", .value = fmt::format("{} ({})", info.device, info.instructions)});
    findings.push_back({.name = "threads",
                        .value = std::to_string(info.threads),
                        .ok = true,
                        .hint = "KRIGON_THREADS sets them"});
    findings.push_back(
        {.name = "blas",
         .value = fmt::format("{}; kernels {}; {}", info.blas, info.blas_core, info.blas_parallel),
         .ok = info.warnings.empty(),
         .hint = fmt::format("{}", fmt::join(info.warnings, "; "))});
  } catch (const Error& e) {
    findings.push_back({.name = "backend", .value = "unusable", .ok = false, .hint = e.what()});
  }
}

}  // namespace

std::vector<Finding> examine_machine() {
  std::vector<Finding> findings;
  findings.push_back({.name = "krigon", .value = version()});
  examine_backend(findings);
  findings.push_back(examine_gpu());
  findings.push_back({.name = "processors", .value = std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))});
  findings.push_back({.name = "memory limits", .value = Runner::memory_limit_support()});
  findings.push_back({.name = "sqlite", .value = sqlite3_libversion()});
  return findings;
}

}  // namespace krigon::app
