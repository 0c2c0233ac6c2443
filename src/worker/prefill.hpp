#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "manager/manager.hpp"

namespace krigon {

/// The suggester's own work: a queue of proposals ready for the study's other workers, so that their ask is
/// one short transaction. As long as there are none it does nothing: a proposal then rests on all that is
/// told.
class Prefill {
 public:
  /// `worker`: this process's name.
  Prefill(StudyManager& manager, std::string worker);

  /// One look at who works and what is queued; proposes what is missing, and anew what was proposed longer
  /// ago than there are workers, counted in tells. Says when to look again.
  std::chrono::milliseconds round();
  /// Whether the last look found other workers.
  bool others() const { return others_; }

 private:
  StudyManager& manager_;
  std::string worker_;
  std::int64_t target_ = 1;
  std::atomic<bool> others_ = false;
};

/// Runs rounds in a thread of its own, so that a long fit holds up no heartbeat.
class PrefillThread {
 public:
  explicit PrefillThread(Prefill& prefill);
  ~PrefillThread();  ///< waits for the round that runs
  PrefillThread(const PrefillThread&) = delete;
  PrefillThread& operator=(const PrefillThread&) = delete;

  /// Looks now.
  void wake();
  /// Throws what the thread ended with.
  void check();

 private:
  void work();

  Prefill& prefill_;
  std::mutex lock_;
  std::condition_variable changed_;
  bool awake_ = false, ends_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace krigon
