#include "worker/prefill.hpp"

#include <algorithm>
#include <utility>

#include "core/storage.hpp"
#include "worker/run_loop.hpp"

namespace krigon {

using std::chrono::milliseconds;

Prefill::Prefill(StudyManager& manager, std::string worker) : manager_(manager), worker_(std::move(worker)) {}

milliseconds Prefill::round() {
  if (!manager_.leads()) {
    others_ = false;
    return milliseconds(500);
  }
  std::int64_t slots = 0, waiting = 0, workers = 0;
  bool others = false;
  for (const auto& each : manager_.storage().workers(manager_.study().id)) {
    if (worker_alive(each.name) == std::optional(false)) {
      manager_.storage().heartbeat(manager_.study().id, each, 0);  // it can no longer say so itself
      continue;
    }
    ++workers;
    slots += each.slots;
    if (each.name == worker_) continue;
    others = true;
    waiting += each.waiting;
  }
  others_ = others;
  if (!others) return milliseconds(500);
  // As many as are taken between two rounds: twice as many when none was left, one less when half were.
  const std::int64_t queued = manager_.head().queued;
  if (queued == 0) {
    target_ *= 2;
  } else if (queued > target_ / 2) {
    --target_;
  }
  target_ = std::clamp<std::int64_t>(target_, 1, std::max<std::int64_t>(slots - 1, 1));
  const std::int64_t made = manager_.fill(std::max(target_, waiting), std::max<std::int64_t>(workers, slots));
  return milliseconds(made > 0 ? 10 : 100);
}

PrefillThread::PrefillThread(Prefill& prefill) : prefill_(prefill), thread_([this] { work(); }) {}

PrefillThread::~PrefillThread() {
  {
    const std::lock_guard guard(lock_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PrefillThread::wake() {
  {
    const std::lock_guard guard(lock_);
    awake_ = true;
  }
  changed_.notify_all();
}

void PrefillThread::check() {
  const std::lock_guard guard(lock_);
  if (error_) std::rethrow_exception(error_);
}

void PrefillThread::work() {
  try {
    for (;;) {
      milliseconds pause(1000);
      try {
        pause = prefill_.round();
      } catch (const StoreAwayError&) {
        // For how long that may be so is the other thread's to say.
      }
      std::unique_lock guard(lock_);
      changed_.wait_for(guard, pause, [this] { return awake_ || ends_; });
      if (ends_) return;
      awake_ = false;
    }
  } catch (...) {
    const std::lock_guard guard(lock_);
    error_ = std::current_exception();
  }
}

}  // namespace krigon
