#include "core/url.hpp"

namespace krigon {

std::string without_password(std::string_view url) {
  std::string shown(url);
  const auto begin = shown.find("://");
  if (begin == std::string::npos) return shown;
  const auto end = shown.find_first_of("/?", begin + 3);
  const auto at = shown.rfind('@', end == std::string::npos ? end : end - 1);
  if (at != std::string::npos && at > begin) {
    const auto colon = shown.find(':', begin + 3);
    if (colon != std::string::npos && colon < at) shown.erase(colon, at - colon);
  }
  for (const std::string_view key : {"password=", "sslpassword="}) {
    for (auto found = shown.find(key); found != std::string::npos; found = shown.find(key, found)) {
      found += key.size();
      const auto last = shown.find('&', found);
      shown.replace(found, last == std::string::npos ? last : last - found, "...");
    }
  }
  return shown;
}

}  // namespace krigon
