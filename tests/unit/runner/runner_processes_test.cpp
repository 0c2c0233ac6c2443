// Nothing of a trial is left, however it ends and however its manager ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner_fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

class RunnerProcesses : public RunnerTest {
 protected:
  RunnerProcesses() { options_.spec.trial.env["KRIGON_TEST_MARK"] = folder_.string(); }
  std::vector<int> left() const { return processes_with("KRIGON_TEST_MARK=" + folder_.string()); }
};

TEST_F(RunnerProcesses, DeafTreeIsGoneAfterAStop) {
  program({"tree"});
  Runner runner(options_);
  start_ready(runner);
  EXPECT_GE(left().size(), 10u);
  runner.stop(0, StopReason::early_stop);
  EXPECT_EQ(finish(runner).ended.at(0).outcome, Outcome::stopped);
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(RunnerProcesses, ForkStormIsGoneAfterAKill) {
  program({"storm"});
  Runner runner(options_);
  start_ready(runner);
  EXPECT_THAT(left(), Not(IsEmpty()));
  runner.kill(0);
  EXPECT_EQ(finish(runner).ended.at(0).outcome, Outcome::cancelled);
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(RunnerProcesses, WhatAnEndedProgramLeavesIsGone) {
  program({"leave"});
  const Ended ended = run_one({.needs_result = false});
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(RunnerProcesses, StoppedProcessesHearToo) {
  options_.spec.trial.grace = std::chrono::hours(1);
  shell("touch ready; kill -STOP $$");
  Runner runner(options_);
  start_ready(runner);
  runner.stop(0, StopReason::early_stop);
  EXPECT_EQ(finish(runner).ended.at(0).signal, SIGTERM);
}

TEST_F(RunnerProcesses, DestructorLeavesNothing) {
  program({"tree"});
  {
    Runner runner(options_);
    for (std::int64_t trial = 0; trial < 3; ++trial) start_ready(runner, {.trial = trial});
  }
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie";
}

TEST_F(RunnerProcesses, DaemonMayHoldThePipesAndIsGone) {
  shell("setsid sh -c 'trap \"\" TERM; while :; do echo x; sleep 0.05; done' & exit 0");
  EXPECT_EQ(run_one({.needs_result = false}).outcome, Outcome::completed);
  EXPECT_THAT(left(), IsEmpty());
}

/// A manager in a process of its own, killed without warning.
class RunnerManagerDeath : public RunnerProcesses {
 protected:
  /// Starts `trials` of the test program's mode, waits until all are ready, kills the manager.
  void kill_manager_of(const std::string& mode, int trials) {
    ::setenv("KRIGON_TEST_MARK", folder_.c_str(), 1);
    const pid_t manager = ::fork();
    if (manager == 0) {
      const std::string count = std::to_string(trials);
      ::execl(KRIGON_TEST_MANAGER, "manager", KRIGON_SHIM, folder_.c_str(), count.c_str(), KRIGON_TEST_TRIAL,
              mode.c_str(), nullptr);
      ::_exit(127);
    }
    ::unsetenv("KRIGON_TEST_MARK");
    ASSERT_GT(manager, 0);
    const bool ready = eventually([&] {
      for (int trial = 0; trial < trials; ++trial) {
        if (!fs::exists(attempt_folder(trial) / "ready")) return false;
      }
      return true;
    });
    ::kill(manager, SIGKILL);
    ASSERT_EQ(::waitpid(manager, nullptr, 0), manager);
    ASSERT_TRUE(ready);
  }
};

TEST_F(RunnerManagerDeath, LeavesNoTree) {
  kill_manager_of("tree", 3);
  EXPECT_TRUE(eventually([&] { return left().empty(); })) << left().size() << " processes left";
}

TEST_F(RunnerManagerDeath, LeavesNoStorm) {
  kill_manager_of("storm", 1);
  EXPECT_TRUE(eventually([&] { return left().empty(); })) << left().size() << " processes left";
}

TEST_F(RunnerManagerDeath, LeavesNoCgroup) {
  const std::string support = Runner::memory_limit_support();
  if (support.compare(0, 8, "enforced") != 0) GTEST_SKIP() << "memory limits are " << support;
  options_.spec.resources.memory = std::uint64_t{256} << 20;
  shell("cat /proc/self/cgroup");
  ASSERT_EQ(run_one({.needs_result = false}).outcome, Outcome::completed);
  const std::string name = "krigon-" + std::to_string(::getpid()) + "-0-1";
  EXPECT_THAT(standard_output(), ::testing::HasSubstr(name));
  const std::size_t from = support.find('/');
  EXPECT_FALSE(fs::exists(fs::path(support.substr(from, support.find(')') - from)) / name));
}

}  // namespace
}  // namespace krigon::testing
