// Every CUDA thread as a thread of the host, for the thread sanitizer to judge the kernel's own accesses.
// This file is not compiled for the sanitizer: it sees only the mutexes of barriers here, and so takes just
// that for order which orders memory in CUDA as well. Several blocks run at once, as many as kMostThreads
// allows.
#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>

#include "tests/host_cuda/executor.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/shared_memory.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

// The sanitizer's own interface.
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
[[gnu::visibility("default")]] const char* __tsan_default_options();
const char* __tsan_default_options() {
  return "exitcode=77:halt_on_error=1";
}
}

namespace krigon::host_cuda {

constinit thread_local Position position{};

namespace {

constexpr unsigned kMostThreads = 256;  ///< or two blocks, which may race

/// While one lives, what the thread does is no access and orders nothing, in the sanitizer's eyes.
class Unseen {
 public:
  Unseen() {
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

bool same_place(std::source_location a, std::source_location b) {
  return a.line() == b.line() && a.column() == b.column();
}

/// A barrier of the threads of a block, or of the lanes that one mask names.
class Barrier {
 public:
  explicit Barrier(unsigned threads = 0) : threads_(threads) {}
  /// For the lanes of this mask, of which some have left the kernel.
  void begin(unsigned threads, unsigned left) {
    threads_ = threads;
    left_ = left;
  }

  void arrive_and_wait(const char* what, std::source_location where) {
    std::unique_lock lock(mutex_);
    if (arrived_ == 0) {
      where_ = where;
    } else if (!same_place(where, where_)) {
      violation(fmt::format("{}: threads wait at different places: {} and {}", what, to_string(where_),
                            to_string(where)));
    }
    check_none_left(what);
    if (++arrived_ == threads_) {
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [this, what, round = round_] {
      if (round == round_) check_none_left(what);
      return round != round_;
    });
  }
  /// A thread leaves the kernel.
  void leave() {
    const Unseen unseen;
    const std::lock_guard lock(mutex_);
    ++left_;
    all_here_.notify_all();
  }

 private:
  void check_none_left(const char* what) const {
    if (left_ > 0 && arrived_ + left_ >= threads_) {
      violation(
          fmt::format("{} in divergent code: {} of {} threads have left the kernel", what, left_, threads_),
          where_);
    }
  }

  unsigned threads_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  unsigned arrived_ = 0;
  unsigned left_ = 0;
  std::uint64_t round_ = 0;
  std::source_location where_;
};

/// The lanes of one warp: a barrier for each mask that was used, all there from the start, because the
/// sanitizer would take an allocation for a write of the thread's.
struct Warp {
  explicit Warp(unsigned lanes_here) : lanes(lanes_here) {}

  Barrier& barrier(unsigned mask, std::source_location where) {
    const Unseen unseen;
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < used; ++i) {
      if (masks[i] == mask) return barriers[i];
    }
    if (used == barriers.size()) violation("a warp uses more masks than the racecheck models", where);
    masks[used] = mask;
    barriers[used].begin(count(mask), count(mask & left));
    return barriers[used++];
  }
  void leave(unsigned lane) {
    const Unseen unseen;
    const std::lock_guard lock(mutex);
    left |= 1U << lane;
    for (std::size_t i = 0; i < used; ++i) {
      if ((masks[i] >> lane & 1U) != 0) barriers[i].leave();
    }
  }
  static unsigned count(unsigned mask) { return static_cast<unsigned>(std::popcount(mask)); }

  const unsigned lanes;
  std::mutex mutex;
  unsigned left = 0;
  std::size_t used = 0;
  std::array<unsigned, 8> masks{};
  std::array<Barrier, 8> barriers;
  std::array<std::uint64_t, kWarpSize> held{};  ///< what each lane holds out in an exchange
};

struct Block {
  Block(unsigned threads, std::size_t shared_bytes) : barrier(threads) {
    for (unsigned first = 0; first < threads; first += kWarpSize) {
      warps.push_back(std::make_unique<Warp>(std::min(kWarpSize, threads - first)));
    }
    shared.begin_launch(shared_bytes);
    shared.begin_block();
  }
  Barrier barrier;
  std::vector<std::unique_ptr<Warp>> warps;
  std::mutex shared_mutex;
  SharedMemory shared;
};

thread_local Block* block = nullptr;
thread_local const KernelLaunch* launch_of_thread = nullptr;

Warp& warp() {
  return *block->warps[position.linear / kWarpSize];
}
unsigned lane() {
  return position.linear % kWarpSize;
}

/// Threads that are kept from launch to launch: making one takes long under the sanitizer.
class Pool {
 public:
  Pool() {
    // The sanitizer clears its shadow of each thread's stack: of 8 MB that takes milliseconds.
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, std::size_t{2} << 20);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
  /// work(0) to work(count - 1), each in a thread of its own.
  void run(unsigned count, const std::function<void(unsigned)>& work) {
    std::unique_lock lock(mutex_);
    work_ = &work;
    count_ = running_ = count;
    ++round_;
    while (made_ < count)
      std::thread([this, mine = made_++, before = round_ - 1] { serve(mine, before); }).detach();
    begin_.notify_all();
    done_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  void serve(unsigned mine, std::uint64_t seen) {
    std::unique_lock lock(mutex_);
    for (;;) {
      begin_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      if (mine >= count_) continue;
      lock.unlock();
      (*work_)(mine);
      lock.lock();
      if (--running_ == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable begin_, done_;
  const std::function<void(unsigned)>* work_ = nullptr;
  unsigned count_ = 0, running_ = 0, made_ = 0;
  std::uint64_t round_ = 0;
};

void check_mask(unsigned mask, std::source_location where) {
  const unsigned lanes = warp().lanes;
  const unsigned existing = lanes == kWarpSize ? kFullMask : (1U << lanes) - 1;
  if ((mask >> lane() & 1U) == 0 || (mask & ~existing) != 0) {
    violation(
        fmt::format(
            "the mask {:#010x} of a warp primitive does not name its caller, or names lanes that a warp "
            "of {} threads does not have",
            mask, lanes),
        where);
  }
}

/// Brings the lanes together without ordering their memory, as shuffles do.
void meet(unsigned mask, std::source_location where) {
  Barrier& barrier = warp().barrier(mask, where);
  const Unseen unseen;
  barrier.arrive_and_wait("warp primitive", where);
}

}  // namespace

const KernelLaunch* running_launch() {
  return launch_of_thread;
}

/// Worker w runs thread w % size of blocks w / size, w / size + at_once, and so on, nothing between them but
/// the blocks' own barriers.
void run_kernel(const KernelLaunch& launch) {
  static auto* pool = new Pool;  // its threads end with the process
  const dim3 size = launch.block;
  const dim3 grid = launch.grid;
  const unsigned threads = size.x * size.y * size.z;
  std::vector<std::uint64_t> order(std::uint64_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::shuffle(order.begin(), order.end(), random_source());
  std::vector<std::unique_ptr<Block>> blocks;
  for (std::size_t i = 0; i < order.size(); ++i) {
    blocks.push_back(std::make_unique<Block>(threads, launch.shared_bytes));
  }
  const std::size_t at_once = std::min<std::size_t>(order.size(), std::max(2U, kMostThreads / threads));
  pool->run(static_cast<unsigned>(at_once) * threads, [&](unsigned worker) {
    const unsigned t = worker % threads;
    for (std::size_t i = worker / threads; i < order.size(); i += at_once) {
      const std::uint64_t row = order[i] / grid.x;
      position = {.thread = {t % size.x, t / size.x % size.y, t / (size.x * size.y)},
                  .block = {static_cast<unsigned>(order[i] % grid.x), static_cast<unsigned>(row % grid.y),
                            static_cast<unsigned>(row / grid.y)},
                  .block_size = size,
                  .grid_size = grid,
                  .linear = t};
      block = blocks[i].get();
      launch_of_thread = &launch;
      launch.body();
      block->barrier.leave();
      warp().leave(lane());
      launch_of_thread = nullptr;
    }
  });
  for (const auto& finished : blocks) finished->shared.end_block();
}

void block_barrier(std::source_location where) {
  block->barrier.arrive_and_wait("__syncthreads", where);
}

void warp_barrier(unsigned mask, std::source_location where) {
  check_mask(mask, where);
  warp().barrier(mask, where).arrive_and_wait("__syncwarp", where);
}

std::uint64_t warp_exchange(unsigned mask, std::uint64_t bits, unsigned source, std::source_location where) {
  check_mask(mask, where);
  source %= kWarpSize;
  if ((mask >> source & 1U) == 0) {
    violation(fmt::format("a shuffle reads lane {}, which its mask {:#010x} does not name", source, mask),
              where);
  }
  warp().held[lane()] = bits;
  meet(mask, where);
  const std::uint64_t result = warp().held[source];
  meet(mask, where);
  return result;
}

unsigned warp_ballot(unsigned mask, bool predicate, std::source_location where) {
  check_mask(mask, where);
  warp().held[lane()] = predicate ? 1 : 0;
  meet(mask, where);
  unsigned result = 0;
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if ((mask >> i & 1U) != 0 && warp().held[i] != 0) result |= 1U << i;
  }
  meet(mask, where);
  return result;
}

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  const Unseen unseen;
  const std::lock_guard lock(block->shared_mutex);
  return block->shared.array(key, bytes, alignment, name);
}
void* dynamic_shared() {
  const Unseen unseen;
  const std::lock_guard lock(block->shared_mutex);
  return block->shared.dynamic();
}

}  // namespace krigon::host_cuda
