#include "core/device.hpp"

#include <charconv>

namespace krigon {

std::optional<int> cuda_device(std::string_view device) {
  if (device == "cuda") return 0;
  constexpr std::string_view kPrefix = "cuda:";
  if (!device.starts_with(kPrefix)) return std::nullopt;
  device.remove_prefix(kPrefix.size());
  int number = 0;
  const char* end = device.data() + device.size();
  const auto [stopped, error] = std::from_chars(device.data(), end, number);
  if (error != std::errc{} || stopped != end || number < 0) return std::nullopt;
  return number;
}

bool is_device(std::string_view device) {
  return device == "auto" || device == "cpu" || device == kDeviceOnHost || cuda_device(device).has_value();
}

}  // namespace krigon
