#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "backend/blas.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using testing::HasSubstr;

class CpuOptionsTest : public testing::Test {
 protected:
  void TearDown() override {
    unsetenv("KRIGON_THREADS");
    unsetenv("KRIGON_SIMD");
  }
  static std::string refusal() {
    try {
      make_cpu_backend();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(CpuOptionsTest, ThreadsFollowTheVariableButNotBeyondWhatIsUsable) {
  setenv("KRIGON_THREADS", "1", 1);
  EXPECT_EQ(make_cpu_backend()->info().threads, 1);
  setenv("KRIGON_THREADS", "100000", 1);
  const int usable = make_cpu_backend()->info().threads;
  EXPECT_GE(usable, 1);
  EXPECT_LT(usable, 100000);
  setenv("KRIGON_THREADS", "", 1);
  EXPECT_LE(make_cpu_backend()->info().threads, usable);
  EXPECT_EQ(make_cpu_backend({.threads = 5, .simd = ""})->info().threads, 5);
}

TEST_F(CpuOptionsTest, WrongThreadsAreRefusedInWords) {
  for (const char* wrong : {"0", "-2", "two", "3x"}) {
    setenv("KRIGON_THREADS", wrong, 1);
    EXPECT_THAT(refusal(), HasSubstr(std::string("KRIGON_THREADS is '") + wrong + "'; allowed is"));
  }
}

TEST_F(CpuOptionsTest, InstructionSetFollowsTheVariable) {
  setenv("KRIGON_SIMD", "baseline", 1);
  EXPECT_EQ(make_cpu_backend()->info().instructions, "baseline");
  unsetenv("KRIGON_SIMD");
  EXPECT_EQ(make_cpu_backend()->info().instructions, cpu_simd_choices().back());
  setenv("KRIGON_SIMD", "mmx", 1);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("'mmx'"), HasSubstr("baseline")));
}

TEST_F(CpuOptionsTest, TheBlasIsTheOneThatWorksWithThreads) {
  const BackendInfo info = make_cpu_backend()->info();
  EXPECT_EQ(info.blas_parallel, "openmp") << info.blas;
  EXPECT_FALSE(info.blas_core.empty());
}

// `krigon doctor` exits with an error for a warning.
TEST_F(CpuOptionsTest, TheWrongBuildOfTheBlasIsAWarning) {
  BackendInfo info;
  info.blas_core = "SkylakeX";
  info.blas_parallel = "openmp";
  detail::judge_blas(info);
  EXPECT_THAT(info.warnings, testing::IsEmpty());

  info.blas_parallel = "pthread";
  detail::judge_blas(info);
  EXPECT_THAT(info.warnings, testing::ElementsAre(HasSubstr("libopenblas0-openmp")));
}

}  // namespace
}  // namespace krigon
