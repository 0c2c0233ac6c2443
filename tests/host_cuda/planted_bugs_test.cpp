// The runtime catches every mistake that planted_bugs.cu can make, and finds nothing where there is none; so
// does the racecheck variant with races.
#include "tests/host_cuda/planted_bugs.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace krigon::planted {

std::ostream& operator<<(std::ostream& out, Bug bug) {
  return out << kBugNames[static_cast<std::size_t>(bug)];
}

namespace {

struct Outcome {
  int exit_code = -1;
  std::string output;
};

Outcome run(std::string_view bug, int seed, std::string_view schedule,
            const std::string& program = KRIGON_PLANTED_BUGS) {
  const char* const asan = std::getenv("ASAN_OPTIONS");
  const std::string command = "KRIGON_HOST_CUDA_SEED=" + std::to_string(seed) +
                              " KRIGON_HOST_CUDA_SCHEDULE=" + std::string(schedule) +
                              " OMP_NUM_THREADS=1 ASAN_OPTIONS=" + (asan == nullptr ? "" : asan) +
                              ":exitcode=77:detect_leaks=0 " + program + " " + std::string(bug) + " 2>&1";
  Outcome outcome;
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) outcome.output += buffer;
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

constexpr int kWrongResult = 1;
constexpr int kRefused = 2;
constexpr int kViolation = 77;

struct Expected {
  Bug bug;
  int exit_code;
  std::string message;  ///< a part of the output
  bool always = true;   ///< else some of the seeds and schedules suffice
};

std::ostream& operator<<(std::ostream& out, const Expected& expected) {
  return out << expected.bug;
}

const Expected kExpected[] = {
    {Bug::kDevicePointerReadByHost, kViolation,
     "host code followed a device pointer: byte 0 of an allocation of 400"},
    {Bug::kHostPointerAsArgument, kViolation, "planted_bugs.cu:"},
    {Bug::kHostPointerInStruct, kViolation, "holds a pointer to host memory"},
    {Bug::kMissingBarrier, kWrongResult, "nan"},
    {Bug::kMissingSecondBarrier, kWrongResult, "wrong", false},
    {Bug::kBarrierInDivergentCode, kViolation, "__syncthreads in divergent code"},
    {Bug::kMismatchedBarriers, kViolation, "threads of one block wait at different barriers"},
    {Bug::kShuffleInDivergentCode, kViolation, "warp primitive in divergent code"},
    {Bug::kMissingWarpBarrier, kWrongResult, "nan"},
    {Bug::kOffByOneWrite, kViolation, "outside the device memory that it may use: 0 bytes past the end"},
    {Bug::kReadBelowStart, kWrongResult, "nan"},
    {Bug::kSharedIndexOutOfBounds, kViolation, "index 8 out of bounds"},
    {Bug::kDynamicSharedTooSmall, kViolation, "past the start of shared memory 'dynamic' of 8 bytes"},
    {Bug::kUninitialisedDeviceMemory, kWrongResult, "nan"},
    {Bug::kReadBeforeSync, kWrongResult, "wrong", false},
    {Bug::kMissingEventWait, kWrongResult, "wrong", false},
    {Bug::kSourceChangedTooEarly, kWrongResult, "wrong", false},
    {Bug::kUseAfterFree, kViolation, "memory that was freed"},
    {Bug::kUseAfterFreeAsync, kViolation, "was freed"},
    {Bug::kUseBeforeMallocAsync, kViolation, "cudaMallocAsync has not made yet", false},
    {Bug::kDoubleFree, kViolation, "cudaFree: "},
    {Bug::kPinnedFreedTooEarly, kViolation, "a queued cudaMemcpyAsync still uses the memory", false},
    {Bug::kWrongCopyDirection, kViolation, "against the kind of the copy"},
    {Bug::kCopyTooLong, kViolation, "needs 408 bytes, its device allocation has 400"},
    {Bug::kLeadingDimensionTooLarge, kViolation, "cusolverDnDpotrf: A needs"},
    {Bug::kLeadingDimensionTooSmall, kRefused, "cusolverDnDpotrf"},
    {Bug::kDeviceScalarInHostMode, kViolation, "alpha is on the device, but the pointer mode is host"},
    {Bug::kWorkspaceTooSmall, kViolation, "the workspace has"},
    {Bug::kInfoOnHost, kViolation, "info is not device memory"},
    {Bug::kDestroyedStream, kViolation, "is no stream, or one that was destroyed"},
    {Bug::kSyncDuringCapture, kRefused, "gave 900"},
    {Bug::kMallocDuringCapture, kRefused, "gave 900"},
    {Bug::kUnjoinedCapture, kRefused, "gave 904"},
    {Bug::kTooManyThreads, kRefused, "gave 9 "},
    {Bug::kTooMuchSharedMemory, kRefused, "gave 1 "},
};

constexpr std::string_view kSchedules[] = {"random", "eager", "lazy", "others-first"};

class PlantedBug : public testing::TestWithParam<Expected> {};

TEST_P(PlantedBug, IsCaught) {
  const Expected& expected = GetParam();
  const std::string_view name = kBugNames[static_cast<std::size_t>(expected.bug)];
  int caught = 0;
  int runs = 0;
  for (const std::string_view schedule : kSchedules) {
    for (int seed = 1; seed <= (schedule == "random" ? 3 : 1); ++seed) {
      const Outcome outcome = run(name, seed, schedule);
      const bool by_asan = outcome.output.find("AddressSanitizer") != std::string::npos;
      const bool as_expected = outcome.exit_code == expected.exit_code &&
                               outcome.output.find(expected.message) != std::string::npos;
      ++runs;
      if (as_expected || by_asan) {
        ++caught;
      } else {
        // It may go unnoticed in some runs, or come out otherwise, but never end well in all.
        EXPECT_FALSE(expected.always)
            << "schedule " << schedule << ", seed " << seed << ", exit code " << outcome.exit_code << "\n"
            << outcome.output;
      }
    }
  }
  EXPECT_GT(caught, 0) << "in " << runs << " runs";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBug, testing::ValuesIn(kExpected),
                         [](const testing::TestParamInfo<Expected>& instance) {
                           return std::string(kBugNames[static_cast<std::size_t>(instance.param.bug)]);
                         });

TEST(PlantedBugs, EveryOneHasAnExpectation) {
  std::set<Bug> expected{Bug::kNone, Bug::kPlainAddition};  // which only a race shows
  for (const Expected& e : kExpected) expected.insert(e.bug);
  EXPECT_EQ(expected.size(), static_cast<std::size_t>(Bug::kCount));
}

TEST(PlantedBugs, ARightProgramEndsWellUnderEveryScheduleAndSeed) {
  for (const std::string_view schedule : kSchedules) {
    for (int seed = 1; seed <= 8; ++seed) {
      const Outcome outcome = run("none", seed, schedule);
      EXPECT_EQ(outcome.exit_code, 0) << schedule << " " << seed << "\n" << outcome.output;
    }
  }
}

#if defined(KRIGON_PLANTED_BUGS_RACECHECK)

class PlantedRace : public testing::TestWithParam<Bug> {};

TEST_P(PlantedRace, IsCaught) {
  const Outcome outcome =
      run(kBugNames[static_cast<std::size_t>(GetParam())], 1, "random", KRIGON_PLANTED_BUGS_RACECHECK);
  EXPECT_EQ(outcome.exit_code, kViolation) << outcome.output;
  EXPECT_THAT(outcome.output, testing::HasSubstr("ThreadSanitizer: data race"));
  EXPECT_THAT(outcome.output, testing::HasSubstr("example_kernels.cuh:"));
}

INSTANTIATE_TEST_SUITE_P(All, PlantedRace,
                         testing::Values(Bug::kMissingBarrier, Bug::kMissingSecondBarrier,
                                         Bug::kMissingWarpBarrier, Bug::kPlainAddition),
                         [](const testing::TestParamInfo<Bug>& instance) {
                           return std::string(kBugNames[static_cast<std::size_t>(instance.param)]);
                         });

TEST(PlantedRaces, DivergentBarriersEndTheProcessThereToo) {
  for (const Bug bug :
       {Bug::kBarrierInDivergentCode, Bug::kMismatchedBarriers, Bug::kShuffleInDivergentCode}) {
    const Outcome outcome =
        run(kBugNames[static_cast<std::size_t>(bug)], 1, "random", KRIGON_PLANTED_BUGS_RACECHECK);
    EXPECT_EQ(outcome.exit_code, kViolation) << outcome.output;
    EXPECT_THAT(outcome.output, testing::HasSubstr("host CUDA: "));
  }
}

TEST(PlantedRaces, ARightProgramHasNone) {
  const Outcome outcome = run("none", 1, "random", KRIGON_PLANTED_BUGS_RACECHECK);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

#endif

TEST(PlantedBugs, AreNamedByTheirPlacesInTheSource) {
  if (std::system("addr2line --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no addr2line";
  EXPECT_THAT(run("off_by_one_write", 1, "random").output,
              testing::ContainsRegex("gram.*example_kernels.cuh:"));
  EXPECT_THAT(run("device_pointer_read_by_host", 1, "random").output,
              testing::ContainsRegex(" at .*planted_bugs.cu:"));
}

TEST(PlantedBugs, SaysWhichSettingIsWrong) {
  EXPECT_THAT(run("none", 1, "slowly").output,
              testing::HasSubstr("allowed: random, eager, lazy, others-first"));
}

}  // namespace
}  // namespace krigon::planted
