#pragma once

#include <cstdint>

namespace krigon::detail {

/// Numbers of trials and events are kept together with their study's in one integer, so that a row
/// lies in one tree, not in a table and an index: key = study << 40 | number.
inline constexpr int kNumberBits = 40;
inline constexpr std::int64_t kMaxNumber = (std::int64_t{1} << kNumberBits) - 1;

constexpr std::int64_t pack(std::int64_t study, std::int64_t number) {
  return (study << kNumberBits) | number;
}
constexpr std::int64_t number_of(std::int64_t key) {
  return key & kMaxNumber;
}

}  // namespace krigon::detail
