// Many trials, and the waiting itself.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner_fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::IsEmpty;

class RunnerMany : public RunnerTest {};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST_F(RunnerMany, HundredAtOnce) {
  shell(R"(echo "{\"step\": 1, \"accuracy\": $KRIGON_TRIAL}" >> $KRIGON_REPORT_FILE
           echo "{\"accuracy\": $KRIGON_TRIAL}" >> $KRIGON_REPORT_FILE)");
  Runner runner(options_);
  for (std::int64_t trial = 0; trial < 100; ++trial) runner.start({.trial = trial});
  EXPECT_EQ(runner.running(), 100u);
  const auto outcomes = finish(runner);
  EXPECT_EQ(outcomes.reports.size(), 100u);
  ASSERT_EQ(outcomes.ended.size(), 100u);
  for (const auto& [trial, ended] : outcomes.ended) {
    EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
    EXPECT_EQ(ended.metrics.at("accuracy"), static_cast<double>(trial));
  }
}

TEST_F(RunnerMany, NoDescriptorNorZombieIsLeft) {
  shell("exit 1");
  Runner runner(options_);
  runner.start({});
  finish(runner);
  const std::size_t before = open_descriptors();
  for (std::int64_t trial = 1; trial <= 200; trial += 10) {
    for (std::int64_t i = 0; i < 10; ++i) {
      runner.start({.trial = trial + i});
    }
    for (const auto& [number, ended] : finish(runner).ended) EXPECT_EQ(ended.exit_code, 1);
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie";
}

TEST_F(RunnerMany, FailedStartsLeaveNothingEither) {
  options_.spec.trial.command = {"no-such-program-anywhere"};
  Runner runner(options_);
  const std::size_t before = open_descriptors();
  for (std::int64_t trial = 0; trial < 20; ++trial) runner.start({.trial = trial});
  EXPECT_EQ(finish(runner).ended.size(), 20u);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(RunnerMany, WakesUpForTheCaller) {
  shell("exec sleep 1000");
  Runner runner(options_);
  runner.start({});
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(runner.poll(seconds(600), ends[0]), IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLong);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(RunnerMany, WakesUpForASignal) {
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, &before);
  Runner runner(options_);
  ::alarm(1);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(runner.poll(seconds(600)), IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLong);
  ::sigaction(SIGALRM, &before, nullptr);
}

TEST_F(RunnerMany, WaitsNoLongerThanTold) {
  Runner runner(options_);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(runner.poll(milliseconds(100)), IsEmpty());
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(100));
}

}  // namespace
}  // namespace krigon::testing
