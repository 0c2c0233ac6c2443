#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace krigon::detail {

/// Threads that share out the tasks of one call at a time.
///
/// Why not OpenMP's: Krigon proposes while trials own the cores. OpenMP gives every thread its share
/// beforehand and waits, spinning, for the one that the system has set aside; on a loaded machine a
/// factorisation then takes ten to forty times longer than on one thread. Here tasks are claimed one
/// by one and the caller works too: threads that do not get to run cost nothing.
///
/// Which thread runs a task is chance, so a task must write only what is its own; then results do not
/// depend on the number of threads.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(task, worker) for every task in [0, count), worker in [0, threads()), and returns when
  /// all are done. No two tasks of one worker overlap. Within a task it runs in place, as that worker.
  /// The first exception of a task is thrown here, after all have ended.
  template <typename Body>
  void run(std::int64_t count, const Body& body) {
    run_erased(
        count,
        [](const void* object, std::int64_t task, int worker) {
          (*static_cast<const Body*>(object))(task, worker);
        },
        &body);
  }

  /// Calls body() on this thread alone: what it runs stays here. For work too small to share.
  template <typename Body>
  static void alone(const Body& body) {
    const Inside inside;
    body();
  }

 private:
  /// Marks this thread as running a task of worker 0, unless it already runs one.
  class Inside {
   public:
    Inside();
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int before_;
  };

  using Call = void (*)(const void* object, std::int64_t task, int worker);
  struct Job {
    Call call;
    const void* object;
    std::int64_t count;
    std::atomic<std::int64_t> next{0};
    std::mutex error_mutex;
    std::exception_ptr error;
  };

  void run_erased(std::int64_t count, Call call, const void* object);
  static void work(Job& job, int worker);
  void serve(int worker);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Job* job_ = nullptr;
  bool stop_ = false;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> active_{0};
  std::vector<std::thread> workers_;
};

}  // namespace krigon::detail
