#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "core/storage.hpp"
#include "worker/run_loop.hpp"

namespace krigon {

/// A worker's patience with its store. While that is away the trials run on: what they took hours for is
/// worth waiting for. The thread that makes this one waits; other threads give up soon, and try again later.
class Outage {
 public:
  /// Waits for at most `longest`. `meanwhile` is called once a second, and says whether the worker is about
  /// to leave: then it waits for no longer than anybody does (kPatience).
  Outage(Storage& storage, std::chrono::microseconds longest, RunObserver& observer,
         std::function<bool()> meanwhile);
  ~Outage();  ///< the store is waited for as before
  Outage(const Outage&) = delete;
  Outage& operator=(const Outage&) = delete;

  /// Says that the store is back, where it was said that it is away.
  void over();

 private:
  bool wait_on(std::chrono::milliseconds waited, const std::string& why) noexcept;

  Storage& storage_;
  std::chrono::microseconds longest_;
  RunObserver& observer_;
  std::function<bool()> meanwhile_;
  std::thread::id thread_ = std::this_thread::get_id();
  bool said_ = false;
};

}  // namespace krigon
