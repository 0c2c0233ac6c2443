#pragma once

#include <cstdint>

#include "core/clock.hpp"
#include "core/random.hpp"

namespace krigon::simulation {

/// What a random number decides. None is drawn from a common stream: to take something out of a plan must not
/// change what everything after it does, or nothing could be shrunk.
enum class Topic : std::uint32_t {
  plan = 1001,
  worker = 1002,
  behaviour = 1003,
  value = 1004,
  delay = 1005,
  verdict = 1006,
  resume = 1007,
  point = 1008,
};

class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t index, Topic topic)
      : random_(seed, index, static_cast<Purpose>(topic)) {}

  bool chance(double share) { return random_.uniform() < share; }
  double uniform() { return random_.uniform(); }
  /// Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(high - low + 1)));
  }

 private:
  Random random_;
};

/// Of an attempt, as an index of its own.
inline std::uint64_t index_of(std::int64_t trial, std::int64_t attempt, std::int64_t step = 0) {
  return (static_cast<std::uint64_t>(trial) << 24U) ^ (static_cast<std::uint64_t>(attempt) << 12U) ^
         static_cast<std::uint64_t>(step);
}

/// What the process of an attempt reports at a step, and at its end (step 0). It tells attempts apart, so
/// that a value in the wrong row is seen; rounded at the end, so that there are equals.
inline double value_of(std::uint64_t seed, std::int64_t trial, std::int64_t attempt, std::int64_t step) {
  const double value = Draw(seed, index_of(trial, attempt, step), Topic::value).uniform();
  if (step > 0) return value;
  return static_cast<double>(static_cast<int>(value * 400));
}

inline constexpr TimeUs kMillisecond = 1000;

}  // namespace krigon::simulation
