#include "runner/resources.hpp"

#include <gmock/gmock.h>

#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ResourceSpec spec(std::vector<int> gpus, std::int64_t gpus_per_trial, std::int64_t cpus_per_trial = 0) {
  ResourceSpec result;
  result.gpus = std::move(gpus);
  result.gpus_per_trial = gpus_per_trial;
  result.cpus_per_trial = cpus_per_trial;
  return result;
}

TEST(ResourcePool, LowestFreeFirstAndBackAgain) {
  ResourcePool pool(spec({0, 1, 2, 3}, 2, 3), std::nullopt, {2, 4, 6, 8, 10, 12, 14}, 0);
  EXPECT_EQ(pool.capacity(), 2);
  const Share first = pool.take();
  const Share second = pool.take();
  EXPECT_THAT(first.gpus, ElementsAre("0", "1"));
  EXPECT_THAT(first.cpus, ElementsAre(2, 4, 6));
  EXPECT_THAT(second.gpus, ElementsAre("2", "3"));
  EXPECT_EQ(pool.visible_devices(second), "2,3");
  EXPECT_EQ(pool.capacity(), 0);
  pool.give_back(first);
  EXPECT_EQ(pool.capacity(), 1);
  EXPECT_THAT(pool.take().gpus, ElementsAre("0", "1"));
}

TEST(ResourcePool, NoLimits) {
  ResourcePool pool(spec({}, 0), std::string("3"), {0}, 8);
  EXPECT_GT(pool.capacity(), 100'000);
  EXPECT_EQ(pool.visible_devices(pool.take()), std::nullopt);
}

TEST(ResourcePool, GpusOfTheMachineAndOfTheEnvironment) {
  ResourcePool machine(spec({}, 1), std::nullopt, {0}, 2);
  EXPECT_EQ(machine.capacity(), 2);
  ResourcePool inherited(spec({}, 1), std::string("7, MIG-x,-1,5"), {0}, 8);
  EXPECT_EQ(inherited.capacity(), 2);  // CUDA's list ends at -1
  EXPECT_THAT(inherited.take().gpus, ElementsAre("7"));
  EXPECT_THAT(inherited.take().gpus, ElementsAre("MIG-x"));
  ResourcePool shared(spec({1}, 0), std::string("4,5"), {0}, 8);
  EXPECT_EQ(shared.visible_devices(shared.take()), "5");
}

std::string refused(const ResourceSpec& wanted, const std::optional<std::string>& visible) {
  try {
    const ResourcePool pool(wanted, visible, {0, 1}, 0);
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(ResourcePool, SaysWhatIsNotThere) {
  EXPECT_THAT(refused(spec({2}, 1), "0,1"),
              HasSubstr("gpus: 2 is out of range: CUDA_VISIBLE_DEVICES is '0,1'"));
  EXPECT_THAT(refused(spec({}, 1), std::nullopt), HasSubstr("gpus_per_trial is 1, but there are 0 GPUs"));
  EXPECT_THAT(refused(spec({}, 1), ""), HasSubstr("CUDA_VISIBLE_DEVICES is ''"));
  EXPECT_THAT(refused(spec({}, 0, 3), std::nullopt),
              HasSubstr("cpus_per_trial is 3, but this process may use only 2 CPUs"));
  EXPECT_THAT(refused(spec({-1}, 1), std::nullopt), HasSubstr("no device number"));
}

}  // namespace
}  // namespace krigon::detail
