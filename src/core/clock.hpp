#pragma once

#include <cstdint>

namespace krigon {

/// Microseconds since the Unix epoch, UTC, by the store's clock. Order nothing by it: the event
/// sequence number is the only order.
using TimeUs = std::int64_t;

inline constexpr TimeUs kSecond = 1'000'000;

/// Where time comes from, so that a test or a simulation can own it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimeUs now() const = 0;
};

/// The system's real-time clock.
class SystemClock final : public Clock {
 public:
  TimeUs now() const override;
};

}  // namespace krigon
