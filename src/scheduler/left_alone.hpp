#pragma once

#include <cstdint>

namespace krigon::detail {

/// Whether a trial is not to be stopped yet whatever it reports: one in 20 is left alone for the first third
/// of max_steps, for rules that compare with what completed. One that stops too much would else never see
/// that it does.
inline bool left_alone(std::int64_t trial, std::int64_t step, std::int64_t max_steps) {
  constexpr std::int64_t kOneIn = 20;
  constexpr std::int64_t kPart = 3;
  return trial % kOneIn == 0 && step < max_steps / kPart;
}

}  // namespace krigon::detail
