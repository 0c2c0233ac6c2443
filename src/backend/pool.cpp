#include "backend/pool.hpp"

#include <chrono>

#include "backend/blas.hpp"

namespace krigon::detail {

namespace {

thread_local int current_worker = -1;

/// Long enough to bridge the gap between two calls of one step, too short to be felt by a trial.
constexpr std::chrono::microseconds kSpin{100};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <typename Ready>
bool spin_until(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

}  // namespace

Pool::Inside::Inside() : before_(current_worker) {
  if (current_worker < 0) current_worker = 0;
}

Pool::Inside::~Inside() {
  current_worker = before_;
}

Pool::Pool(int threads) {
  workers_.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));
  for (int worker = 1; worker < threads; ++worker) {
    workers_.emplace_back([this, worker] { serve(worker); });
  }
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Pool::work(Job& job, int worker) {
  const int outer = current_worker;
  current_worker = worker;
  for (;;) {
    const std::int64_t task = job.next.fetch_add(1);
    if (task >= job.count) break;
    try {
      job.call(job.object, task, worker);
    } catch (...) {
      const std::lock_guard lock(job.error_mutex);
      if (!job.error) job.error = std::current_exception();
    }
  }
  current_worker = outer;
}

void Pool::run_erased(std::int64_t count, Call call, const void* object) {
  if (current_worker >= 0 || count <= 1 || workers_.empty()) {
    const int worker = current_worker >= 0 ? current_worker : 0;
    for (std::int64_t task = 0; task < count; ++task) call(object, task, worker);
    return;
  }
  Job job{call, object, count, {}, {}, {}};
  {
    const std::lock_guard lock(mutex_);
    job_ = &job;
    generation_.fetch_add(1);
  }
  if (count == 2) {
    wake_.notify_one();
  } else {
    wake_.notify_all();
  }
  work(job, 0);
  {
    const std::lock_guard lock(mutex_);
    job_ = nullptr;  // from here on no thread joins in
  }
  if (!spin_until([this] { return active_.load() == 0; })) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return active_.load() == 0; });
  }
  if (job.error) std::rethrow_exception(job.error);
}

void Pool::serve(int worker) {
  const SerialBlas serial;
  std::uint64_t seen = 0;
  for (;;) {
    spin_until([&] { return generation_.load() != seen; });
    Job* job = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      seen = generation_.load();
      if (stop_) return;
      job = job_;
      if (job != nullptr) active_.fetch_add(1);
    }
    if (job == nullptr) continue;
    work(*job, worker);
    {
      const std::lock_guard lock(mutex_);
      active_.fetch_sub(1);
    }
    idle_.notify_one();
  }
}

}  // namespace krigon::detail
