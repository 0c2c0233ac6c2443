#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"

namespace krigon {

/// A backend from a plug-in, or in words why there is none.
struct PluginBackend {
  std::unique_ptr<Backend> backend;
  std::string reason;  ///< empty where there is a backend
};

/// The CUDA backend on device `device`. Looks for a driver first, which costs next to nothing where there is
/// none; then for the plug-in: KRIGON_CUDA_PLUGIN, else beside this library, else where the loader looks.
PluginBackend open_cuda_backend(int device);

/// The same code executed on the CPU, of test builds: KRIGON_CUDA_PLUGIN, which has to be set.
PluginBackend open_cuda_on_host_backend();

}  // namespace krigon
