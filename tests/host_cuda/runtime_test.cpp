// The stand-ins for the CUDA runtime: memory, streams, events, failures on request, and counters.
#include <algorithm>
#include <cmath>
#include <vector>

#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host_cuda/control.hpp"
#include "tests/host_cuda/device_array.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"

namespace krigon::host_cuda {
namespace {

using testing::Each;
using testing::ElementsAre;

/// A schedule for one test.
class WithSchedule {
 public:
  explicit WithSchedule(Schedule schedule) : before_(settings().schedule) { settings().schedule = schedule; }
  ~WithSchedule() { settings().schedule = before_; }
  WithSchedule(const WithSchedule&) = delete;
  WithSchedule& operator=(const WithSchedule&) = delete;

 private:
  Schedule before_;
};

cudaStream_t new_stream(unsigned flags = cudaStreamNonBlocking) {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, flags), cudaSuccess);
  return stream;
}
double* new_pinned(std::size_t n) {
  double* p = nullptr;
  EXPECT_EQ(cudaMallocHost(&p, n * sizeof(double)), cudaSuccess);
  return p;
}

TEST(HostCudaMemory, IsUnsetAtFirst) {
  const DeviceArray<double> d(3);
  EXPECT_THAT(d.values(), Each(testing::NanSensitiveDoubleEq(std::nan(""))));
}

TEST(HostCudaMemory, IsCountedAndRunsOut) {
  const std::size_t before = device_bytes_used();
  std::size_t free = 0;
  std::size_t total = 0;
  set_device_bytes(before + 1000);
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 800), cudaSuccess);
  EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(free, 200U);
  EXPECT_EQ(total, before + 1000);
  void* q = &p;
  EXPECT_EQ(cudaMalloc(&q, 201), cudaErrorMemoryAllocation);
  EXPECT_EQ(q, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
  EXPECT_EQ(cudaMalloc(&q, 0), cudaSuccess);
  EXPECT_EQ(q, nullptr);
  // A free in the stream's order is waited for where it makes room.
  const cudaStream_t stream = new_stream();
  EXPECT_EQ(cudaFreeAsync(p, stream), cudaSuccess);
  EXPECT_EQ(cudaMallocAsync(&q, 900, stream), cudaSuccess);
  EXPECT_EQ(cudaFree(q), cudaSuccess);
  EXPECT_EQ(device_bytes_used(), before);
  set_device_bytes(std::size_t{8} << 30);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(HostCudaMemory, IsUsedAgainWhenTheReservationHasGoneRound) {
  DeviceMemory memory(16 * kPage);
  void* const kept = memory.allocate(kPage, Allocation::State::kLive);
  std::vector<void*> seen;
  for (int i = 0; i < 20; ++i) {
    void* const p = memory.allocate(3 * kPage, Allocation::State::kLive);
    ASSERT_NE(p, nullptr) << i;
    EXPECT_TRUE(seen.empty() || p != seen.back()) << "not at once";
    seen.push_back(p);
    memory.release(p);
  }
  EXPECT_NE(std::count(seen.begin(), seen.end(), seen.front()), 1);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), kept), 0);
  EXPECT_EQ(memory.allocate(16 * kPage, Allocation::State::kLive), nullptr);
}

TEST(HostCudaCopies, HappenWhenTheHostWaits) {
  const cudaStream_t stream = new_stream();
  const DeviceArray<double> d(std::vector<double>{1, 2});
  double* const host = new_pinned(2);
  host[0] = 7;
  ASSERT_EQ(cudaMemcpyAsync(host, d.get(), 16, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_TRUE(std::isnan(host[0])) << "what is not waited for cannot be read";
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(host[0], 1);
  EXPECT_EQ(host[1], 2);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(HostCudaCopies, TakePageableSourcesAtTheCallAndPinnedOnesLate) {
  const WithSchedule lazy(Schedule::kLazy);
  const cudaStream_t stream = new_stream();
  const DeviceArray<double> d(2);
  double* const pinned = new_pinned(1);
  double pageable = 1;
  *pinned = 1;
  ASSERT_EQ(cudaMemcpyAsync(d.get(), &pageable, 8, cudaMemcpyHostToDevice, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(d.get() + 1, pinned, 8, cudaMemcpyDefault, stream), cudaSuccess);
  pageable = *pinned = 2;
  EXPECT_THAT(d.values(), ElementsAre(1, 2));
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(HostCudaCopies, GoByRowsWithPitches) {
  const DeviceArray<double> d(std::vector<double>{1, 2, 3, 4, 5, 6});
  std::vector<double> host(8, 0.0);
  ASSERT_EQ(cudaMemcpy2D(host.data(), 32, d.get(), 24, 16, 2, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_THAT(host, ElementsAre(1, 2, 0, 0, 4, 5, 0, 0));
  EXPECT_EQ(cudaMemcpy2D(host.data(), 8, d.get(), 24, 16, 2, cudaMemcpyDeviceToHost),
            cudaErrorInvalidPitchValue);
  ASSERT_EQ(cudaMemset2DAsync(d.get() + 1, 24, 0, 8, 2, nullptr), cudaSuccess);
  EXPECT_THAT(d.values(), ElementsAre(1, 0, 3, 4, 0, 6));
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidPitchValue);
}

TEST(HostCudaStreams, AreOrderedByEvents) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    set_seed(seed);
    const DeviceArray<unsigned char> d(1);
    const cudaStream_t a = new_stream();
    const cudaStream_t b = new_stream();
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(d.get(), 1, 1, a), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(event, a), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(b, event, 0), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(d.get(), 2, 1, b), cudaSuccess);
    // A stream and an event may be destroyed while their work is pending.
    ASSERT_EQ(cudaEventDestroy(event), cudaSuccess);
    ASSERT_EQ(cudaStreamDestroy(b), cudaSuccess);
    EXPECT_THAT(d.values(), ElementsAre(2));
    ASSERT_EQ(cudaStreamDestroy(a), cudaSuccess);
  }
}

/// What two streams leave when both set the same byte and nothing orders them.
std::vector<int> outcomes_of_two(unsigned flags, bool legacy_between) {
  std::vector<int> seen(4, 0);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    set_seed(seed);
    const DeviceArray<unsigned char> d(1);
    const cudaStream_t a = new_stream(flags);
    const cudaStream_t b = legacy_between ? nullptr : new_stream(flags);
    EXPECT_EQ(cudaMemsetAsync(d.get(), 1, 1, a), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(d.get(), 2, 1, b), cudaSuccess);
    ++seen[d.values()[0]];
    EXPECT_EQ(cudaStreamDestroy(a), cudaSuccess);
    if (b != nullptr) {
      EXPECT_EQ(cudaStreamDestroy(b), cudaSuccess);
    }
  }
  return seen;
}

TEST(HostCudaStreams, AreUnorderedOtherwise) {
  const std::vector<int> seen = outcomes_of_two(cudaStreamNonBlocking, false);
  EXPECT_GT(seen[1], 0);
  EXPECT_GT(seen[2], 0);
}

TEST(HostCudaStreams, WaitForTheNullStreamOnlyWhereTheyBlock) {
  EXPECT_EQ(outcomes_of_two(cudaStreamDefault, true)[1], 0);
  EXPECT_GT(outcomes_of_two(cudaStreamNonBlocking, true)[1], 0);
}

TEST(HostCudaStreams, CanBePolled) {
  const cudaStream_t stream = new_stream();
  const DeviceArray<double> d(1);
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaMemsetAsync(d.get(), 0, 8, stream), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  int polls = 0;
  while (cudaEventQuery(event) == cudaErrorNotReady) ++polls;
  EXPECT_GT(polls, 0);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(HostCudaStreams, TimeEvents) {
  cudaEvent_t from = nullptr;
  cudaEvent_t to = nullptr;
  float ms = -1;
  ASSERT_EQ(cudaEventCreate(&from), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&to), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(from, nullptr), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(to, nullptr), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, from, to), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(to), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, from, to), cudaSuccess);
  EXPECT_GE(ms, 0);
  EXPECT_EQ(cudaEventDestroy(from), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(to), cudaSuccess);
  cudaGetLastError();
}

TEST(HostCudaStreams, RunHostFunctionsInTurn) {
  const cudaStream_t stream = new_stream();
  int calls = 0;
  ASSERT_EQ(cudaLaunchHostFunc(
                stream, [](void* count) { ++*static_cast<int*>(count); }, &calls),
            cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(HostCudaControl, MakesTheNthCallFail) {
  fail_call("cudaStreamCreateWithFlags", cudaErrorMemoryAllocation, 2);
  cudaStream_t first = nullptr;
  cudaStream_t second = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking), cudaSuccess);
  EXPECT_EQ(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), cudaErrorMemoryAllocation);
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(first), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(second), cudaSuccess);
}

TEST(HostCudaControl, CountsWhatALoopShouldNotDo) {
  const Counters before = counters();
  {
    const DeviceArray<double> d(std::vector<double>{1});  // one allocation, one copy that waits, pageable
    double* const pinned = new_pinned(1);
    ASSERT_EQ(cudaMemcpyAsync(pinned, d.get(), 8, cudaMemcpyDeviceToHost, nullptr), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    ASSERT_EQ(cudaFreeHost(pinned), cudaSuccess);
  }
  const Counters after = counters();
  EXPECT_EQ(after.allocations - before.allocations, 2U);
  EXPECT_EQ(after.frees - before.frees, 2U);
  EXPECT_EQ(after.synchronisations - before.synchronisations, 2U);
  EXPECT_EQ(after.copies_to_device - before.copies_to_device, 1U);
  EXPECT_EQ(after.copies_to_host - before.copies_to_host, 1U);
  EXPECT_EQ(after.pageable_copies - before.pageable_copies, 1U);
}

TEST(HostCudaDevice, DescribesItself) {
  int count = 0;
  int value = 0;
  cudaDeviceProp properties;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_STREQ(properties.name, "CUDA executed on the host");
  EXPECT_EQ(properties.totalGlobalMem, settings().memory);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 0), cudaSuccess);
  EXPECT_EQ(value, 32);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidDevice), "cudaErrorInvalidDevice");
  cudaGetLastError();
}

}  // namespace
}  // namespace krigon::host_cuda
