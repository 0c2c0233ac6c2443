#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.hpp"

namespace krigon {

/// A backend, and in one line which, and why.
struct ChosenBackend {
  std::shared_ptr<Backend> backend;
  std::string line;
};

/// The backend that `device` names (core/device.hpp). `auto`: the GPU where one is usable and as many as
/// `points` observations are to be expected that it pays, else the CPU; not knowing how many, the CPU. Throws
/// UsageError for another word, and EnvironmentError where a GPU is asked for by name and is not usable:
/// never another device in silence.
ChosenBackend choose_backend(std::string_view device, std::optional<std::int64_t> points = {});

}  // namespace krigon
