#pragma once

#include <cstdint>
#include <string>

namespace krigon {

/// A duration for a person, two units at most: "0.4 s", "12 s", "3 min 05 s", "2 h 10 min", "3 d 04 h".
/// Negative ones count as 0; what is not finite gives "?".
std::string human_duration(double seconds);

/// A number for a person, `digits` significant ones, trailing zeros dropped: "0.97316", "1.2e-05", "350".
std::string human_number(double value, int digits = 6);

/// Bytes: "512 B", "1.5 kB", "64 MB" (powers of 1000).
std::string human_bytes(std::uint64_t bytes);

/// UTC, "2026-01-31 12:34:56" of microseconds since the epoch; "-" for 0.
std::string human_time(std::int64_t microseconds);

/// "1 trial", "2 trials".
std::string count_of(std::int64_t count, const std::string& noun);

}  // namespace krigon
