#pragma once

#include <cstddef>

namespace krigon {

class Backend;

/// How a backend in a library of its own is asked for. The library exports
///   extern "C" krigon::Backend* krigon_plugin(const krigon::PluginRequest* request, char* why, std::size_t
///   size);
/// which returns a new backend, or null and in `why` the reason in words. It never throws.
///
/// A backend is a C++ object that crosses from one library to another: both must come from one build.
/// `identity` says which, and is compared first; nothing else of the request is read where it differs.
struct PluginRequest {
  const char* identity;
  int device;
};
using PluginEntry = Backend* (*)(const PluginRequest* request, char* why, std::size_t size);
inline constexpr const char* kPluginEntry = "krigon_plugin";

/// Version, compiler and what the seam's headers look like.
inline constexpr const char* kPluginIdentity = KRIGON_PLUGIN_IDENTITY;

}  // namespace krigon
