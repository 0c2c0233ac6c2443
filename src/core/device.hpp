#pragma once

#include <optional>
#include <string_view>

namespace krigon {

/// Where proposals are computed, as a person writes it.
inline constexpr std::string_view kDeviceWords = "auto, cpu, cuda or cuda:N (N counts devices from 0)";
/// The GPU's code executed on the CPU, for tests.
inline constexpr std::string_view kDeviceOnHost = "cuda-on-host";

/// Whether `device` is one of the words.
bool is_device(std::string_view device);
/// N of "cuda:N", 0 of "cuda", else nothing.
std::optional<int> cuda_device(std::string_view device);

}  // namespace krigon
