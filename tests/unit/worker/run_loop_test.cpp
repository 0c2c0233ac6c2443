#include "worker/run_loop.hpp"

#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/unit/worker/fakes.hpp"

namespace krigon {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A study whose trial is a shell script in a folder of its own.
struct ShellStudy {
  explicit ShellStudy(const std::string& script) {
    std::ofstream(folder.path() / "trial.sh") << script;
    spec.trial.command = {"sh", "trial.sh"};
    spec.trial.grace = Milliseconds(500);
    spec.inputs = {"trial.sh"};
    spec.budget.trials = 4;
    options.study_folder = folder.path();
    options.trials_folder = folder.path() / "trials";
    options.shim = KRIGON_SHIM;
  }
  RunResult run(FakeStudy& study) { return run_study(*study.manager, options, observer); }

  TemporaryFolder folder;
  StudySpec spec;
  RunOptions options;
  RecordingObserver observer;
};

constexpr const char* kThreeSteps = R"(
for s in 1 2 3; do echo "{\"step\": $s, \"loss\": $KRIGON_PARAM_X}" >> "$KRIGON_REPORT_FILE"; sleep 0.05; done
)";

TEST(RunLoop, RunsTheBudgetAndTellsEveryTrial) {
  ShellStudy shell(kThreeSteps);
  shell.spec.budget.parallel = 2;
  FakeStudy study(shell.spec);
  const auto result = shell.run(study);
  EXPECT_EQ(result.end, RunEnd::budget);
  EXPECT_EQ(result.ended_here, 4);
  EXPECT_EQ(result.head.completed, 4);
  EXPECT_GT(result.head.running_time, 0);
  EXPECT_EQ(shell.observer.most_running, 2u);
  for (const auto& t : study.trials()) {
    EXPECT_EQ(t.metrics.at("loss"), std::get<double>(t.parameters.at("x")));
    EXPECT_THAT(shell.observer.reports[t.number], ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(shell.observer.bests.back(), result.head.best_trial);
}

TEST(RunLoop, StoppedTrialsKeepWhatTheyReachedAndNothingAfterTheVerdict) {
  ShellStudy shell(R"(
i=1; while [ $i -le 200 ]; do echo "{\"step\": $i, \"loss\": 5}" >> "$KRIGON_REPORT_FILE"; i=$((i + 1)); done; sleep 60)");
  FakeStudy study(shell.spec, nullptr, 1.0);
  const auto result = shell.run(study);
  EXPECT_EQ(result.head.stopped, 4);
  for (const auto& t : study.trials()) {
    EXPECT_EQ(t.state, TrialState::stopped);
    EXPECT_EQ(t.reason, "above the limit");
    EXPECT_THAT(study.storage->reports(study.manager->study().id, t.number), SizeIs(2));
  }
}

TEST(RunLoop, FailuresAreCountedTooAndEndTheRunOnlyBeyondTheirLimit) {
  ShellStudy shell("echo bad luck >&2; exit 3");
  FakeStudy study(shell.spec);
  EXPECT_EQ(shell.run(study).end, RunEnd::budget);
  const auto trial = study.trials().front();
  EXPECT_EQ(trial.state, TrialState::failed);
  EXPECT_EQ(trial.outcome, Outcome::failed);
  const auto attempt = study.storage->attempts(study.manager->study().id, 0).front();
  EXPECT_EQ(attempt.exit_code, 3);
  EXPECT_THAT(attempt.stderr_tail, HasSubstr("bad luck"));

  ShellStudy strict("exit 3");
  strict.spec.max_failures = 1;
  FakeStudy second(strict.spec);
  const auto result = strict.run(second);
  EXPECT_EQ(result.end, RunEnd::too_many_failures);
  EXPECT_EQ(result.head.failed, 2);
}

TEST(RunLoop, AProgramThatCannotStartIsTriedAgainAndThenFails) {
  ShellStudy shell("");
  shell.spec.trial.command = {"no-such-program-here"};
  shell.spec.budget.trials = 1;
  FakeStudy study(shell.spec);
  shell.run(study);
  const auto trial = study.trials().front();
  EXPECT_EQ(trial.outcome, Outcome::could_not_start);
  EXPECT_EQ(trial.attempts, 2);
  EXPECT_THAT(trial.reason, HasSubstr("no-such-program-here"));
}

TEST(RunLoop, AnExhaustedSamplerEndsTheRun) {
  ShellStudy shell(kThreeSteps);
  shell.spec.budget.trials.reset();
  FakeStudy study(shell.spec, nullptr, 1e300, 2);
  EXPECT_EQ(shell.run(study).end, RunEnd::exhausted);
  EXPECT_EQ(study.trials().size(), 2u);
}

TEST(RunLoop, TheTimeBudgetAddsUpOverResumes) {
  ShellStudy shell("sleep 0.2; echo '{\"loss\": 1}' >> $KRIGON_REPORT_FILE");
  shell.spec.budget.trials = 1000;
  shell.spec.budget.time = Milliseconds(600);
  auto storage = open_storage("memory:");
  FakeStudy study(shell.spec, storage);
  study.manager->apply(AddRunningTime{400 * 1000});  // an earlier run's
  EXPECT_EQ(shell.run(study).end, RunEnd::time);
  const auto ended = study.manager->head().completed;
  EXPECT_GE(ended, 1);
  EXPECT_LE(ended, 3);
  EXPECT_EQ(shell.run(study).end, RunEnd::time);
  EXPECT_EQ(study.manager->head().completed, ended) << "the time was used up before";
}

TEST(RunLoop, QueuedAndLostTrialsOfAnEarlierRunComeFirst) {
  ShellStudy shell(kThreeSteps);
  auto storage = open_storage("memory:");
  FakeStudy study(shell.spec, storage);
  const std::string dead = dead_worker_name();
  study.manager->ask({dead, "h", 60 * kSecond});
  study.manager->enqueue({{"x", 0.125}});
  const auto result = shell.run(study);
  EXPECT_THAT(shell.observer.starts, ElementsAre(1, 0, 2, 3));
  EXPECT_EQ(result.head.completed, 4);
  EXPECT_EQ(study.trials()[0].attempts, 2);
  EXPECT_THAT(shell.observer.notes, Contains(HasSubstr("trial 0 was running when its manager ended")));
}

TEST(RunLoop, OneInterruptLetsRunningTrialsEnd) {
  ShellStudy shell(kThreeSteps);
  int presses = 0;
  shell.options.interrupts = [&] { return presses; };
  shell.observer.on_tick = [&](const RunState& state) { presses = state.running_here > 0 ? 1 : presses; };
  FakeStudy study(shell.spec);
  const auto result = shell.run(study);
  EXPECT_EQ(result.end, RunEnd::interrupted);
  EXPECT_EQ(result.head.completed, 1);
  EXPECT_EQ(result.head.running + result.head.queued, 0);
}

TEST(RunLoop, TwoInterruptsHandTheRunningTrialsBack) {
  ShellStudy shell("sleep 60");
  int presses = 0;
  shell.options.interrupts = [&] { return presses; };
  shell.observer.on_tick = [&](const RunState& state) { presses = state.running_here > 0 ? 2 : presses; };
  FakeStudy study(shell.spec);
  const auto result = shell.run(study);
  EXPECT_EQ(result.end, RunEnd::interrupted);
  EXPECT_EQ(result.head.queued, 1);
  EXPECT_EQ(study.trials().front().losses, 0) << "no retry is used up";
  // And the study goes on with that very trial.
  ShellStudy again(kThreeSteps);
  RecordingObserver observer;
  FakeStudy resumed(again.spec, study.storage);
  std::ofstream(shell.folder.path() / "trial.sh") << kThreeSteps;
  shell.options.interrupts = [] { return 0; };
  EXPECT_EQ(run_study(*resumed.manager, shell.options, observer).head.completed, 4);
  EXPECT_EQ(observer.starts.front(), 0);
}

TEST(RunLoop, ALostLeaseEndsTheProcessAndTellsNothing) {
  ShellStudy shell("echo '{\"step\": 1, \"loss\": 1}' >> $KRIGON_REPORT_FILE; sleep 60");
  shell.spec.budget.trials = 1;
  FakeStudy study(shell.spec);
  shell.options.lease = kSecond;
  bool taken = false;
  shell.observer.on_tick = [&](const RunState& state) {
    if (taken || state.running_here == 0 || shell.observer.reports.empty()) return;
    taken = true;  // as another manager would after a long pause of this one
    const auto attempt = study.storage->attempts(study.manager->study().id, 0).back();
    FailAttempt lost;
    lost.trial = 0;
    lost.fence = attempt.fence;
    lost.outcome = Outcome::lost;
    study.manager->apply(lost);
    study.manager->ask({"other", "h", 0});
    study.manager->apply(CompleteTrial{0, 0, {{"loss", 0.5}}, {}});
  };
  const auto result = shell.run(study);
  EXPECT_EQ(result.end, RunEnd::budget);
  EXPECT_EQ(study.trials().front().metrics.at("loss"), 0.5);
  EXPECT_THAT(shell.observer.ends, IsEmpty());
}

TEST(RunLoop, ATrialThatComesBackBeforeItsOldProcessEndedWaitsForThat) {
  ShellStudy shell(
      "echo '{\"step\": 1, \"loss\": 1}' >> $KRIGON_REPORT_FILE; [ $KRIGON_ATTEMPT -gt 1 ] || sleep 60; "
      "echo '{\"loss\": 0.5}' >> $KRIGON_REPORT_FILE");
  shell.spec.budget.trials = 1;
  shell.spec.budget.parallel = 2;
  shell.options.lease = kSecond;
  FakeStudy study(shell.spec);
  bool put_back = false;
  shell.observer.on_tick = [&](const RunState& state) {
    if (put_back || state.running_here == 0 || shell.observer.reports.empty()) return;
    put_back = true;  // by another manager, after a long pause of this one, which has a place left
    FailAttempt lost;
    lost.trial = 0;
    lost.fence = study.storage->attempts(study.manager->study().id, 0).back().fence;
    lost.outcome = Outcome::lost;
    study.manager->apply(lost);
  };
  EXPECT_EQ(shell.run(study).end, RunEnd::budget);
  const auto attempts = study.storage->attempts(study.manager->study().id, 0);
  ASSERT_GE(attempts.size(), 3u);
  EXPECT_EQ(attempts[0].outcome, Outcome::lost);
  EXPECT_EQ(attempts[1].outcome, Outcome::cancelled) << "handed back";
  EXPECT_EQ(attempts.back().outcome, Outcome::completed);
  EXPECT_EQ(study.trials().front().metrics.at("loss"), 0.5);
  EXPECT_EQ(study.trials().front().losses, 1);
}

TEST(RunLoop, OnBestGetsTheBestTrialsParametersAndCheckpoints) {
  ShellStudy shell(R"(echo $KRIGON_PARAM_X > "$KRIGON_CHECKPOINT_DIR/model"
echo "{\"loss\": $KRIGON_PARAM_X}" >> "$KRIGON_REPORT_FILE")");
  std::ofstream(shell.folder.path() / "deploy.sh")
      << R"sh(echo "$KRIGON_PARAM_X $1 $(cat "$2/model")" >> "$KRIGON_STUDY_DIR/deployed")sh";
  shell.spec.on_best = {"sh", "deploy.sh", "{x}", "{checkpoint}"};
  shell.spec.trial.checkpoint = true;
  shell.spec.budget.trials = 8;
  FakeStudy study(shell.spec);
  const auto result = shell.run(study);
  EXPECT_THAT(shell.observer.notes, IsEmpty());
  std::ifstream deployed(shell.folder.path() / "deployed");
  std::string line, last;
  while (std::getline(deployed, line)) last = line;
  const std::string x = to_string(result.head.best_value);
  EXPECT_EQ(last, x + " " + x + " " + x);
}

TEST(RunLoop, AFailingOnBestIsSaidAndHarmsNothing) {
  ShellStudy shell(kThreeSteps);
  shell.spec.on_best = {"sh", "-c", "echo no room >&2; exit 1"};
  FakeStudy study(shell.spec);
  EXPECT_EQ(shell.run(study).head.completed, 4);
  EXPECT_THAT(shell.observer.notes, Contains(HasSubstr("no room")));
}

TEST(RunLoop, WhatASignalToAllItsProcessesEndedIsRunAgain) {
  // As a batch system does it, which knows nothing of who is to tell whom; the shim hears it before the
  // worker.
  ShellStudy shell(R"(
if [ "$KRIGON_ATTEMPT" = 1 ]; then kill -TERM "$PPID"; sleep 60; fi
echo "{\"loss\": $KRIGON_PARAM_X}" >> "$KRIGON_REPORT_FILE"
)");
  FakeStudy study(shell.spec, nullptr, 1e300, 4);
  EXPECT_EQ(shell.run(study).head.completed, 4);
  for (const auto& trial : study.trials()) {
    EXPECT_EQ(trial.attempts, 2);
    EXPECT_EQ(trial.losses, 0) << "nobody is to blame";
  }
}

TEST(RunLoop, AStudyWithoutACommandCannotBeRun) {
  ShellStudy shell("");
  shell.spec.trial.command.clear();
  FakeStudy study(shell.spec);
  EXPECT_THROW(shell.run(study), UsageError);
}

}  // namespace
}  // namespace krigon
