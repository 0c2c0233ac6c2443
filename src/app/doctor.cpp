#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <unistd.h>

#include "app/services.hpp"
#include "backend/cuda_plugin.hpp"
#include "krigon/error.hpp"
#include "krigon/study.hpp"
#include "runner/runner.hpp"

namespace krigon::app {
namespace {

using cli::Finding;

Finding examine_gpu() {
  PluginBackend opened = open_cuda_backend(0);
  if (!opened.backend) return {.name = "gpu", .value = "not used", .ok = true, .hint = opened.reason};
  const BackendInfo info = opened.backend->info();
  return {.name = "gpu",
          .value = fmt::format("{} ({}, {}); {}", info.device, info.blas_core, info.instructions, info.blas),
          .ok = true,
          .hint = "--device cuda computes proposals on it"};
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
  const int libpq = PQlibVersion();
  findings.push_back(
      {.name = "postgresql", .value = fmt::format("libpq {}.{}", libpq / 10000, libpq % 10000)});
  return findings;
}

}  // namespace krigon::app
