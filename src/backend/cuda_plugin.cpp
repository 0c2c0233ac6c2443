#include "backend/cuda_plugin.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>

#include "backend/plugin.hpp"

namespace krigon {

namespace {

constexpr const char* kLibrary = "libkrigon_cuda.so";

std::string named_plugin() {
  const char* named = std::getenv("KRIGON_CUDA_PLUGIN");
  return named == nullptr ? "" : named;
}

/// The plug-in's possible places, the first that is there to be taken.
std::vector<std::string> candidates() {
  if (auto named = named_plugin(); !named.empty()) return {named};
  std::vector<std::string> paths;
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&open_cuda_backend), &here) != 0 && here.dli_fname != nullptr) {
    std::error_code error;
    const auto folder = std::filesystem::weakly_canonical(here.dli_fname, error).parent_path();
    // A program's libraries lie in a folder next to its own.
    for (const char* place : {"", KRIGON_BIN_TO_LIB, "../lib"}) {
      auto path = folder / place / kLibrary;
      if (std::filesystem::exists(path, error)) paths.push_back(path.string());
    }
  }
  paths.emplace_back(kLibrary);
  return paths;
}

/// Opens the library and knocks. It stays open: the backend's code is in it.
PluginBackend open_plugin(const std::string& path, int device) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* text = ::dlerror();
    return {nullptr, fmt::format("the CUDA plug-in does not load: {}", text == nullptr ? path : text)};
  }
  const auto entry = reinterpret_cast<PluginEntry>(::dlsym(library, kPluginEntry));
  if (entry == nullptr) return {nullptr, fmt::format("{} is no plug-in of krigon", path)};
  const PluginRequest request{kPluginIdentity, device};
  std::array<char, 1024> why{};
  std::unique_ptr<Backend> backend(entry(&request, why.data(), why.size()));
  if (backend) return {std::move(backend), ""};
  return {nullptr, why.data()};
}

/// Empty, or why there can be no CUDA on this machine.
std::string without_driver() {
  // Its calls are looked up by name, so that one program serves machines with and without a driver.
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return "no NVIDIA driver here (libcuda.so.1 is not found)";
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto count_devices = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || count_devices == nullptr) return "libcuda.so.1 is there but is no CUDA driver";
  if (const int error = init(0); error != 0) {
    return fmt::format("the NVIDIA driver does not start (error {})", error);
  }
  int count = 0;
  if (count_devices(&count) != 0 || count == 0) return "the NVIDIA driver sees no device";
  return "";
}

}  // namespace

PluginBackend open_cuda_backend(int device) {
  if (std::string reason = without_driver(); !reason.empty()) return {nullptr, std::move(reason)};
  return open_plugin(candidates().front(), device);
}

PluginBackend open_cuda_on_host_backend() {
  const std::string path = named_plugin();
  if (path.empty()) {
    return {nullptr,
            "KRIGON_CUDA_PLUGIN does not name a plug-in that is executed on the CPU (test builds have one)"};
  }
  return open_plugin(path, 0);
}

}  // namespace krigon
