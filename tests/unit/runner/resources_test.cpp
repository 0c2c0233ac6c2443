#include "runner/resources.hpp"

#include <cstdlib>
#include <map>

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

VisibleGpus cuda(std::string list) {
  return {"CUDA_VISIBLE_DEVICES", std::move(list)};
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
  ResourcePool pool(spec({}, 0), cuda("3"), {0}, 8);
  EXPECT_GT(pool.capacity(), 100'000);
  EXPECT_EQ(pool.visible_devices(pool.take()), std::nullopt);
}

TEST(ResourcePool, GpusOfTheMachineAndOfTheEnvironment) {
  ResourcePool machine(spec({}, 1), std::nullopt, {0}, 2);
  EXPECT_EQ(machine.capacity(), 2);
  ResourcePool inherited(spec({}, 1), cuda("7, MIG-x,-1,5"), {0}, 8);
  EXPECT_EQ(inherited.capacity(), 2);  // CUDA's list ends at -1
  EXPECT_THAT(inherited.take().gpus, ElementsAre("7"));
  EXPECT_THAT(inherited.take().gpus, ElementsAre("MIG-x"));
  ResourcePool shared(spec({1}, 0), cuda("4,5"), {0}, 8);
  EXPECT_EQ(shared.visible_devices(shared.take()), "5");
}

TEST(ResourcePool, EachTrialHasItsOwnOfWhatIsVisibleByTheNamesGiven) {
  const std::string list = "GPU-8932f937,MIG-GPU-8932f937/1/0,MIG-41b36325,3,GPU-8932f937,12";
  ResourcePool pool(spec({}, 2), cuda(list), {0}, 8);
  EXPECT_EQ(pool.capacity(), 2) << "five GPUs, one of them named twice";
  const Share first = pool.take(), second = pool.take();
  EXPECT_EQ(pool.visible_devices(first), "GPU-8932f937,MIG-GPU-8932f937/1/0");
  EXPECT_EQ(pool.visible_devices(second), "MIG-41b36325,3");
  EXPECT_EQ(ResourcePool::to_json(second).at("gpus"), (nlohmann::json{"MIG-41b36325", 3}));
  pool.give_back(first);
  EXPECT_EQ(pool.take().gpus, first.gpus);
}

/// Sets variables, unset where nothing is given, for as long as it lives.
struct Environment {
  explicit Environment(std::map<std::string, std::optional<std::string>> variables) {
    for (const auto& [name, value] : variables) {
      const char* before = std::getenv(name.c_str());
      before_[name] = before != nullptr ? std::optional<std::string>(before) : std::nullopt;
      set(name, value);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }
  std::map<std::string, std::optional<std::string>> before_;
};

TEST(ResourcePool, TakesWhatABatchSystemGave) {
  const auto inherited = [](const std::optional<std::string>& visible, const std::optional<std::string>& step,
                            const std::optional<std::string>& job) {
    const Environment environment(
        {{"CUDA_VISIBLE_DEVICES", visible}, {"SLURM_STEP_GPUS", step}, {"SLURM_JOB_GPUS", job}});
    ResourcePool pool = ResourcePool::inherited(spec({}, 1));
    return pool.visible_devices(pool.take());
  };
  EXPECT_EQ(inherited("2,3", "6", "6,7"), "2") << "CUDA counts within what the job was given";
  EXPECT_EQ(inherited(std::nullopt, "7", "6,7"), "7");
  EXPECT_EQ(inherited(std::nullopt, std::nullopt, "6,7"), "6");
}

std::string refused(const ResourceSpec& wanted, const std::optional<VisibleGpus>& visible) {
  try {
    const ResourcePool pool(wanted, visible, {0, 1}, 0);
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(ResourcePool, SaysWhatIsNotThere) {
  EXPECT_THAT(refused(spec({2}, 1), cuda("0,1")),
              HasSubstr("gpus: 2 is out of range: CUDA_VISIBLE_DEVICES is '0,1'"));
  EXPECT_THAT(refused(spec({}, 1), std::nullopt), HasSubstr("gpus_per_trial is 1, but there are 0 GPUs"));
  EXPECT_THAT(refused(spec({}, 1), cuda("")), HasSubstr("CUDA_VISIBLE_DEVICES is ''"));
  EXPECT_THAT(
      refused(spec({}, 3), cuda("GPU-a,GPU-b,GPU-a")),
      HasSubstr("gpus_per_trial is 3, but there are 2 GPUs to hand out (CUDA_VISIBLE_DEVICES is 'GPU-a,"));
  EXPECT_THAT(refused(spec({}, 2), VisibleGpus{"SLURM_JOB_GPUS", "4"}),
              HasSubstr("there is 1 GPU to hand out (SLURM_JOB_GPUS is '4')"));
  EXPECT_THAT(refused(spec({0}, 1), cuda("NoDevFiles")),
              HasSubstr("0 is out of range: CUDA_VISIBLE_DEVICES is 'NoDevFiles', which names none"));
  EXPECT_THAT(refused(spec({}, 0, 3), std::nullopt),
              HasSubstr("cpus_per_trial is 3, but this process may use only 2 CPUs"));
  EXPECT_THAT(refused(spec({-1}, 1), std::nullopt), HasSubstr("no device number"));
}

}  // namespace
}  // namespace krigon::detail
