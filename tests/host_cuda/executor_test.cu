// What kernels see: positions, shared memory, warps, atomics, maths, and the limits of a launch.
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host_cuda/control.hpp"
#include "tests/host_cuda/device_array.hpp"
#include "tests/host_cuda/executor_kernels.cuh"

namespace krigon::host_cuda {
namespace {

using testing::Each;
using testing::ElementsAre;

TEST(Executor, RunsEveryThreadOfEveryBlockOnce) {
  const DeviceArray<int> counts(std::vector<int>(2 * 3 * 4 * 5 * 6 * 7));
  ASSERT_EQ(cuda::launch(count_positions, dim3(2, 3, 4), dim3(5, 6, 7), 0, nullptr, counts.get()),
            cudaSuccess);
  EXPECT_THAT(counts.values(), Each(1));
}

std::vector<int> order_of_threads(std::uint64_t seed) {
  set_seed(seed);
  const DeviceArray<int> next(std::vector<int>{0});
  const DeviceArray<int> order(64);
  EXPECT_EQ(cuda::launch(draw_ticket, 1, 64, 0, nullptr, next.get(), order.get()), cudaSuccess);
  return order.values();
}

TEST(Executor, OrdersThreadsByTheSeed) {
  const std::vector<int> first = order_of_threads(1);
  EXPECT_EQ(order_of_threads(1), first);
  EXPECT_NE(order_of_threads(2), first);
}

TEST(Executor, UnsetsSharedMemoryForEveryBlock) {
  const DeviceArray<double> seen(6);
  ASSERT_EQ(cuda::launch(unset_shared, 3, 32, 16, nullptr, seen.get()), cudaSuccess);
  EXPECT_THAT(seen.values(), Each(testing::NanSensitiveDoubleEq(std::nan(""))));
}

/// The lane that CUDA's guide says a lane reads from, 'itself' where the source lies outside its segment.
int source_lane(Shuffle kind, int lane, int by, int width) {
  const int segment = lane / width * width;
  switch (kind) {
    case Shuffle::kIndex:
      return segment + by % width;
    case Shuffle::kUp:
      return lane - by < segment ? lane : lane - by;
    case Shuffle::kDown:
      return lane + by >= segment + width ? lane : lane + by;
    case Shuffle::kXor:
      return (lane ^ by) >= segment + width ? lane : lane ^ by;
  }
  return -1;
}

TEST(Executor, ShufflesAsTheGuideSays) {
  for (const Shuffle kind : {Shuffle::kIndex, Shuffle::kUp, Shuffle::kDown, Shuffle::kXor}) {
    for (const int width : {32, 16, 8}) {
      for (const int by : {0, 1, 3, 8, 17}) {
        const DeviceArray<double> out(64);
        ASSERT_EQ(cuda::launch(shuffle_lanes, 1, 64, 0, nullptr, kind, by, width, out.get()), cudaSuccess);
        const std::vector<double> got = out.values();
        for (int t = 0; t < 64; ++t) {
          EXPECT_EQ(got[static_cast<std::size_t>(t)],
                    100 + t / 32 * 32 + source_lane(kind, t % 32, by, width))
              << "thread " << t << " by " << by << " width " << width;
        }
      }
    }
  }
}

TEST(Executor, LetsPartsOfAWarpGoTheirWays) {
  const DeviceArray<int> out(32);
  ASSERT_EQ(cuda::launch(halves_of_a_warp, 1, 32, 0, nullptr, out.get()), cudaSuccess);
  const std::vector<int> got = out.values();
  EXPECT_THAT(std::vector<int>(got.begin(), got.begin() + 16), Each(16));
  EXPECT_THAT(std::vector<int>(got.begin() + 16, got.end()), Each(8));
}

TEST(Executor, CountsVotes) {
  const DeviceArray<unsigned> out(6);
  ASSERT_EQ(cuda::launch(votes, 1, 64, 0, nullptr, out.get()), cudaSuccess);
  EXPECT_THAT(out.values(), ElementsAre(0x49249249U, 0x92492492U, 0, 1, 1, 0));
}

TEST(Executor, HasAtomics) {
  const DeviceArray<int> integers(std::vector<int>{0, 0, 0, 0});
  const DeviceArray<unsigned long long> longs(std::vector<unsigned long long>{0});
  const DeviceArray<double> doubles(std::vector<double>{0, 0});
  ASSERT_EQ(cuda::launch(atomics, 1, 100, 0, nullptr, integers.get(), longs.get(), doubles.get()),
            cudaSuccess);
  EXPECT_THAT(integers.values(), ElementsAre(4950, -7, 99, 5));
  EXPECT_THAT(longs.values(), ElementsAre(100ULL << 40));
  EXPECT_THAT(doubles.values(), ElementsAre(50, 99));
}

TEST(Executor, HasMaths) {
  const DeviceArray<double> out(8);
  ASSERT_EQ(cuda::launch(maths, 1, 1, 0, nullptr, out.get()), cudaSuccess);
  const std::vector<double> got = out.values();
  EXPECT_DOUBLE_EQ(got[0], 5.00898008076228346631);
  EXPECT_DOUBLE_EQ(got[1], 0.42758357615580700442);
  EXPECT_DOUBLE_EQ(got[2], 0.018795888861416751);
  EXPECT_EQ(got[3], std::numeric_limits<double>::infinity());
  EXPECT_EQ(got[4], 0.5);
  EXPECT_DOUBLE_EQ(got[5], 0.15865525393145705142);
  EXPECT_EQ(got[6], 7);
  EXPECT_EQ(got[7], 2);
}

TEST(Launch, RefusesWhatADeviceRefuses) {
  EXPECT_EQ(cuda::launch(nothing, dim3(0), 32, 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::launch(nothing, dim3(1, 65536), 32, 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::launch(nothing, dim3(1, 1, 65536), 32, 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::launch(nothing, 1, dim3(1025), 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::launch(nothing, 1, dim3(1, 1, 65), 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::launch(nothing, 1, dim3(32, 32, 2), 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cuda::launch(nothing, dim3(3, 5, 7), dim3(16, 8, 8), 0, nullptr), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(Launch, TakesMuchSharedMemoryOnlyWhereTheKernelAllowsIt) {
  const DeviceArray<double> out(1);
  constexpr std::size_t kBytes = 227 * 1024;
  EXPECT_EQ(cuda::launch(needs_much, 1, 1, kBytes, nullptr, out.get()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(needs_much, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes + 8),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(needs_much, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
            cudaSuccess);
  ASSERT_EQ(cuda::launch(needs_much, 1, 1, kBytes, nullptr, out.get()), cudaSuccess);
  EXPECT_THAT(out.values(), ElementsAre(3));
  cudaGetLastError();
}

template <class Kernel, class T>
void launch_and_wait(Kernel kernel, unsigned threads, T* out) {
  if (cuda::launch(kernel, 1, threads, 0, nullptr, out) == cudaSuccess) cudaDeviceSynchronize();
}

TEST(ExecutorDeathTest, EndsTheProcessOnWhatADeviceWouldNotNotice) {
  const DeviceArray<double> d(1);
  const DeviceArray<int> i(1);
  const auto violation = testing::ExitedWithCode(77);
  EXPECT_EXIT(launch_and_wait(large_array, 1, d.get()), violation, "static shared memory");
  EXPECT_EXIT(launch_and_wait(wrong_mask, 32, i.get()), violation, "mask");
  EXPECT_EXIT(launch_and_wait(wrong_source, 32, i.get()), violation, "reads lane 20");
  EXPECT_EXIT(launch_and_wait(lanes_that_are_not_there, 20, i.get()), violation, "mask");
  EXPECT_EXIT(launch_and_wait(shared_underrun, 1, i.get()), violation,
              "'array' was written below its start|AddressSan");
}

}  // namespace
}  // namespace krigon::host_cuda
