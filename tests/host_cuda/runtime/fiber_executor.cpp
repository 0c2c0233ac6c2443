// The threads of a block as fibers of one thread of the host, each run to its next barrier, in an order
// that is drawn anew for every block; blocks one after another, in drawn order as well.
#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <boost/context/fiber.hpp>
#include <fmt/format.h>
#include <sys/mman.h>

#include "tests/host_cuda/executor.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/shared_memory.hpp"
#include "tests/host_cuda/runtime/violation.hpp"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

// What the sanitizer's option of this name was set to; instrumented functions ask it as they begin.
extern "C" int __asan_option_detect_stack_use_after_return;
#endif

namespace krigon::host_cuda {

constinit thread_local Position position{};

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = std::size_t{512} * 1024;

/// While it lives, functions' variables lie on their own stacks. Thousands of fibers, each with a second one
/// to find uses after a return with, take kernels three times as long.
class OneStackEach {
 public:
  OneStackEach() { __asan_option_detect_stack_use_after_return = 0; }
  ~OneStackEach() { __asan_option_detect_stack_use_after_return = before_; }
  OneStackEach(const OneStackEach&) = delete;
  OneStackEach& operator=(const OneStackEach&) = delete;

 private:
  int before_ = __asan_option_detect_stack_use_after_return;
};
#else
constexpr std::size_t kStackBytes = std::size_t{128} * 1024;
class OneStackEach {};
#endif

/// A fiber's stack above a closed page. The address sanitizer is told of every change of stacks.
class Stack {
 public:
  // What boost::context asks of a stack allocator.
  boost::context::stack_context allocate() {
    void* const mapping = mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) violation("no memory for the stack of a kernel's thread");
    mprotect(mapping, kPage, PROT_NONE);
    boost::context::stack_context context;
    context.size = kStackBytes;
    context.sp = static_cast<char*>(mapping) + kPage + kStackBytes;
    return context;
  }
  void deallocate(boost::context::stack_context& context) {
    munmap(static_cast<char*>(context.sp) - kStackBytes - kPage, kStackBytes + kPage);
  }
};

enum class State : unsigned char { kReady, kAtBlockBarrier, kAtWarpBarrier, kExited };

/// Runs one CUDA thread after another; kept for the next blocks.
class Worker {
 public:
  Worker();
  /// Runs `body`, or goes on with it, until the next barrier or its end.
  void resume(const std::function<void()>& body);
  /// From within the body: back to who called resume.
  void pause();
  bool finished() const { return finished_; }

 private:
  const std::function<void()>* body_ = nullptr;
  bool finished_ = true;
  boost::context::fiber inside_;   ///< while paused
  boost::context::fiber outside_;  ///< while running
  // For the address sanitizer: where either side's stack lies.
  [[maybe_unused]] const void* own_stack_ = nullptr;
  [[maybe_unused]] const void* outer_stack_ = nullptr;
  [[maybe_unused]] std::size_t outer_stack_bytes_ = 0;
};

Worker::Worker() {
  Stack stack;
  const boost::context::stack_context context = stack.allocate();
  own_stack_ = static_cast<char*>(context.sp) - kStackBytes;
  const boost::context::preallocated where(context.sp, context.size, context);
  inside_ = boost::context::fiber(std::allocator_arg, where, stack, [this](boost::context::fiber&& outside) {
    outside_ = std::move(outside);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &outer_stack_, &outer_stack_bytes_);
#endif
    for (;;) {
      (*body_)();
      finished_ = true;
      pause();
    }
    return std::move(outside_);
  });
}

void Worker::resume(const std::function<void()>& body) {
  body_ = &body;
  finished_ = false;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, own_stack_, kStackBytes);
#endif
  inside_ = std::move(inside_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Worker::pause() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, outer_stack_, outer_stack_bytes_);
#endif
  outside_ = std::move(outside_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, &outer_stack_, &outer_stack_bytes_);
#endif
}

struct Thread {
  State state = State::kReady;
  Worker* worker = nullptr;
  unsigned mask = 0;           ///< of the warp primitive it waits at
  std::source_location where;  ///< of the barrier it waits at
};

class Executor {
 public:
  void run(const KernelLaunch& launch);
  const KernelLaunch* launch() const { return launch_; }

  void wait(State state, unsigned mask, std::source_location where);
  unsigned threads() const { return static_cast<unsigned>(threads_.size()); }

  SharedMemory shared;
  std::vector<std::uint64_t> lanes;  ///< what each thread holds out in a warp exchange

 private:
  void run_block();
  void resume(unsigned thread);
  bool release_block_barrier();
  bool release_warp_barriers();
  [[noreturn]] void report_stuck_warp();

  const KernelLaunch* launch_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<unsigned> order_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
  Thread* current_ = nullptr;
};

Executor& executor() {
  // Never destroyed: paused fibers would have to be unwound.
  static thread_local auto* instance = new Executor;
  return *instance;
}

void Executor::run(const KernelLaunch& launch) {
  [[maybe_unused]] const OneStackEach one;
  launch_ = &launch;
  const unsigned n = launch.block.x * launch.block.y * launch.block.z;
  threads_.resize(n);
  lanes.assign(n, 0);
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), 0U);
  shared.begin_launch(launch.shared_bytes);
  std::vector<std::uint64_t> blocks(std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  std::iota(blocks.begin(), blocks.end(), std::uint64_t{0});
  std::shuffle(blocks.begin(), blocks.end(), random_source());
  for (const std::uint64_t block : blocks) {
    const std::uint64_t row = block / launch.grid.x;
    position = {
        .thread = {},
        .block = {static_cast<unsigned>(block % launch.grid.x), static_cast<unsigned>(row % launch.grid.y),
                  static_cast<unsigned>(row / launch.grid.y)},
        .block_size = launch.block,
        .grid_size = launch.grid,
        .linear = 0};
    run_block();
  }
  launch_ = nullptr;
}

void Executor::run_block() {
  std::fill(threads_.begin(), threads_.end(), Thread{});
  std::shuffle(order_.begin(), order_.end(), random_source());
  shared.begin_block();
  for (;;) {
    for (const unsigned t : order_) {
      if (threads_[t].state == State::kReady) resume(t);
    }
    if (std::ranges::all_of(threads_, [](const Thread& t) { return t.state == State::kExited; })) break;
    const bool block_released = release_block_barrier();
    const bool warps_released = release_warp_barriers();
    if (!block_released && !warps_released) report_stuck_warp();
  }
  shared.end_block();
}

void Executor::resume(unsigned t) {
  Thread& thread = threads_[t];
  if (thread.worker == nullptr) {
    if (idle_.empty()) {
      workers_.push_back(std::make_unique<Worker>());
      idle_.push_back(workers_.back().get());
    }
    thread.worker = idle_.back();
    idle_.pop_back();
  }
  const dim3& size = launch_->block;
  position.thread = {t % size.x, t / size.x % size.y, t / (size.x * size.y)};
  position.linear = t;
  current_ = &thread;
  thread.worker->resume(launch_->body);
  if (thread.worker->finished()) {
    thread.state = State::kExited;
    idle_.push_back(thread.worker);
  }
}

void Executor::wait(State state, unsigned mask, std::source_location where) {
  Thread& thread = *current_;
  thread.state = state;
  thread.mask = mask;
  thread.where = where;
  thread.worker->pause();
}

bool Executor::release_block_barrier() {
  unsigned waiting = 0;
  unsigned exited = 0;
  const Thread* first = nullptr;
  for (const Thread& thread : threads_) {
    if (thread.state == State::kExited) ++exited;
    if (thread.state != State::kAtBlockBarrier) continue;
    ++waiting;
    if (first == nullptr) first = &thread;
    if (thread.where.line() != first->where.line() || thread.where.column() != first->where.column()) {
      violation(fmt::format("threads of one block wait at different barriers: {} and {}",
                            to_string(first->where), to_string(thread.where)));
    }
  }
  if (waiting > 0 && exited > 0) {
    violation(
        fmt::format("__syncthreads in divergent code: {} threads of the block wait, {} have left the kernel",
                    waiting, exited),
        first->where);
  }
  if (waiting < threads()) return false;
  for (Thread& thread : threads_) thread.state = State::kReady;
  return true;
}

/// Releases every group of lanes of which all that the mask names have arrived with the same mask.
bool Executor::release_warp_barriers() {
  bool released = false;
  for (unsigned first = 0; first < threads(); first += kWarpSize) {
    const std::span<Thread> warp(&threads_[first], std::min(kWarpSize, threads() - first));
    for (const Thread& leader : warp) {
      if (leader.state != State::kAtWarpBarrier) continue;
      const unsigned mask = leader.mask;
      const std::source_location where = leader.where;
      unsigned arrived = 0;
      for (unsigned lane = 0; lane < warp.size(); ++lane) {
        const Thread& other = warp[lane];
        if (other.state != State::kAtWarpBarrier || other.mask != mask) continue;
        if (other.where.line() == where.line() && other.where.column() == where.column())
          arrived |= 1U << lane;
      }
      if (arrived != mask) continue;
      for (unsigned lane = 0; lane < warp.size(); ++lane) {
        if ((mask >> lane & 1U) != 0) warp[lane].state = State::kReady;
      }
      released = true;
    }
  }
  return released;
}

void Executor::report_stuck_warp() {
  for (const Thread& thread : threads_) {
    if (thread.state == State::kAtWarpBarrier) {
      violation(fmt::format("warp primitive in divergent code: not all lanes of the mask {:#010x} arrive",
                            thread.mask),
                thread.where);
    }
  }
  const auto waiting =
      std::ranges::find_if(threads_, [](const Thread& t) { return t.state == State::kAtBlockBarrier; });
  violation("a barrier that not all threads reach", waiting->where);
}

/// The mask must name the caller, and lanes that exist.
void check_mask(unsigned mask, std::source_location where) {
  const unsigned lane = position.linear % kWarpSize;
  const unsigned in_warp = std::min(kWarpSize, executor().threads() - (position.linear - lane));
  const unsigned existing = in_warp == kWarpSize ? kFullMask : (1U << in_warp) - 1;
  if ((mask >> lane & 1U) == 0) {
    violation(fmt::format("lane {} calls a warp primitive whose mask {:#010x} does not name it", lane, mask),
              where);
  }
  if ((mask & ~existing) != 0) {
    violation(
        fmt::format("the mask {:#010x} names lanes that a warp of {} threads does not have", mask, in_warp),
        where);
  }
}

}  // namespace

const KernelLaunch* running_launch() {
  return executor().launch();
}

void run_kernel(const KernelLaunch& launch) {
  executor().run(launch);
}

void block_barrier(std::source_location where) {
  executor().wait(State::kAtBlockBarrier, 0, where);
}

void warp_barrier(unsigned mask, std::source_location where) {
  check_mask(mask, where);
  executor().wait(State::kAtWarpBarrier, mask, where);
}

std::uint64_t warp_exchange(unsigned mask, std::uint64_t bits, unsigned source, std::source_location where) {
  check_mask(mask, where);
  const unsigned first = position.linear / kWarpSize * kWarpSize;
  source %= kWarpSize;
  if ((mask >> source & 1U) == 0) {
    violation(fmt::format("a shuffle reads lane {}, which its mask {:#010x} does not name", source, mask),
              where);
  }
  std::vector<std::uint64_t>& lanes = executor().lanes;
  lanes[position.linear] = bits;
  warp_barrier(mask, where);
  const std::uint64_t result = lanes[first + source];
  warp_barrier(mask, where);  // until all have read
  return result;
}

unsigned warp_ballot(unsigned mask, bool predicate, std::source_location where) {
  check_mask(mask, where);
  const unsigned first = position.linear / kWarpSize * kWarpSize;
  std::vector<std::uint64_t>& lanes = executor().lanes;
  lanes[position.linear] = predicate ? 1 : 0;
  warp_barrier(mask, where);
  unsigned result = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1U) != 0 && lanes[first + lane] != 0) result |= 1U << lane;
  }
  warp_barrier(mask, where);
  return result;
}

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  return executor().shared.array(key, bytes, alignment, name);
}
void* dynamic_shared() {
  return executor().shared.dynamic();
}

}  // namespace krigon::host_cuda
