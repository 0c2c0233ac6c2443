#include "backend/choose.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cuda_plugin.hpp"
#include "core/device.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Device, WordsAreReadWhole) {
  EXPECT_EQ(cuda_device("cuda"), 0);
  EXPECT_EQ(cuda_device("cuda:0"), 0);
  EXPECT_EQ(cuda_device("cuda:12"), 12);
  for (const char* wrong :
       {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999", "CUDA", "cuda 1", "cpu:0"}) {
    EXPECT_FALSE(is_device(wrong)) << wrong;
    EXPECT_THROW(choose_backend(wrong), UsageError) << wrong;
  }
  for (const char* right : {"auto", "cpu", "cuda", "cuda:3"}) EXPECT_TRUE(is_device(right)) << right;
}

TEST(Device, AutoTakesTheCpuForSmallStudiesAndSaysWhy) {
  EXPECT_EQ(choose_backend("cpu").line, "cpu, as asked");
  EXPECT_THAT(choose_backend("auto").line, StartsWith("cpu, for how many trials"));
  const ChosenBackend few = choose_backend("auto", 100);
  EXPECT_EQ(few.line, "cpu, which is faster for fewer than 1000 trials");
  EXPECT_EQ(few.backend->info().device, "cpu");
}

TEST(Device, AGpuThatIsNotUsableIsAnErrorInWordsAndNeverTheCpuInSilence) {
  const PluginBackend opened = open_cuda_backend(0);
  if (opened.backend) GTEST_SKIP() << "there is a GPU";
  EXPECT_FALSE(opened.reason.empty());
  try {
    choose_backend("cuda");
    FAIL();
  } catch (const EnvironmentError& e) {
    EXPECT_EQ(e.what(), "device cuda: " + opened.reason);
  }
  const ChosenBackend many = choose_backend("auto", 5000);
  EXPECT_EQ(many.line, "cpu, " + opened.reason);
}

TEST(Device, APluginThatIsNoneIsRefused) {
  ASSERT_EQ(::unsetenv("KRIGON_CUDA_PLUGIN"), 0);
  EXPECT_THAT(open_cuda_on_host_backend().reason, HasSubstr("KRIGON_CUDA_PLUGIN"));
  ASSERT_EQ(::setenv("KRIGON_CUDA_PLUGIN", "/nowhere/at/all.so", 1), 0);
  EXPECT_THAT(open_cuda_on_host_backend().reason, HasSubstr("/nowhere/at/all.so"));
  ASSERT_EQ(::setenv("KRIGON_CUDA_PLUGIN", "libm.so.6", 1), 0);
  EXPECT_THAT(open_cuda_on_host_backend().reason, HasSubstr("no plug-in"));
  ASSERT_EQ(::unsetenv("KRIGON_CUDA_PLUGIN"), 0);
}

}  // namespace
}  // namespace krigon
