#pragma once

#include <chrono>
#include <string>

#include "core/storage.hpp"

namespace krigon::detail {

/// One wait for a store.
class Wait {
 public:
  /// `patience` (null: none was set) must outlive it.
  explicit Wait(const Patience* patience = nullptr) : patience_(patience) {}

  std::chrono::milliseconds waited() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
  }
  /// Whether to wait on; once not, no more. `why` makes the words.
  template <class Why>
  bool goes_on(const Why& why) {
    if (patience_ == nullptr || !*patience_) return waited() < kPatience;
    if (over_ || Clock::now() < ask_at_) return !over_;
    ask_at_ = Clock::now() + kBetween;
    over_ = !(*patience_)(waited(), why());
    return !over_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kBetween{1};

  const Patience* patience_;
  Clock::time_point began_ = Clock::now(), ask_at_ = began_ + kBetween;
  bool over_ = false;
};

}  // namespace krigon::detail
