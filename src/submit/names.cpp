#include "submit/names.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

constexpr std::size_t kLabel = 63;
constexpr std::size_t kSubdomain = 253;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view name, std::size_t most) {
  return !name.empty() && name.size() <= most && is_letter(name.front()) && is_letter(name.back()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || c == '-'; });
}

/// 32 bits of FNV-1a, folded from 64: equal everywhere and for ever, which std::hash is not.
std::uint32_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

std::size_t most_letters(std::int64_t workers) {
  return kLabel - 1 - std::to_string(std::max<std::int64_t>(workers - 1, 0)).size();
}

std::string job_name(std::string_view study, std::int64_t workers) {
  const std::size_t most = most_letters(workers);
  std::string name = "krigon-";
  for (const char c : study) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (is_letter(lower)) {
      name += lower;
    } else if (name.back() != '-') {
      name += '-';
    }
  }
  while (name.back() == '-') name.pop_back();
  if (name == fmt::format("krigon-{}", study) && name.size() <= most) return name;
  const std::string hash = fmt::format("-{:08x}", hash_of(study));
  name.resize(std::min(name.size(), most - hash.size()));
  while (name.back() == '-') name.pop_back();
  return name + hash;
}

void check_label(std::string_view name, std::string_view option, std::size_t most) {
  if (is_label(name, most)) return;
  throw UsageError(
      fmt::format("{}: found \"{}\", allowed: 1 to {} of a-z, 0-9 and '-', a letter or digit at both ends",
                  option, name, most));
}

void check_subdomain(std::string_view name, std::string_view option) {
  bool good = name.size() <= kSubdomain;
  for (std::string_view rest = name; good;) {
    const auto dot = rest.find('.');
    good = is_label(rest.substr(0, dot), kSubdomain);
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (good) return;
  throw UsageError(fmt::format(
      "{}: found \"{}\", allowed: 1 to {} of a-z, 0-9, '-' and '.', every part with a letter or digit at "
      "both ends",
      option, name, kSubdomain));
}

}  // namespace krigon
