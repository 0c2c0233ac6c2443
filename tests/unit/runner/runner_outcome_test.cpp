// How attempts end, told apart.
#include <csignal>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "krigon/error.hpp"
#include "runner_fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RunnerOutcome : public RunnerTest {};

TEST_F(RunnerOutcome, CompletedWithTheFinalReport) {
  shell(R"(echo '{"step": 1, "accuracy": 0.5}' >> $KRIGON_REPORT_FILE
           echo '{"accuracy": 0.75, "loss": 2}' >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics, (Metrics{{"accuracy", 0.75}, {"loss", 2}}));
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_FALSE(ended.signal);
  EXPECT_THAT(ended.reason, IsEmpty());
  EXPECT_THAT(ended.warnings, IsEmpty());
  ASSERT_EQ(last_.reports.size(), 1u);
  EXPECT_EQ(last_.reports[0].step, 1);
}

TEST_F(RunnerOutcome, CompletedWithTheLastStep) {
  shell(R"(for i in 1 2 3; do echo "{\"step\": $i, \"accuracy\": 0.$i}" >> $KRIGON_REPORT_FILE; done)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics, (Metrics{{"accuracy", 0.3}}));
  EXPECT_EQ(last_.reports.size(), 3u);
}

TEST_F(RunnerOutcome, FailedWithItsExitCodeAndLastWords) {
  shell(R"(echo '{"accuracy": 1}' >> $KRIGON_REPORT_FILE; echo 'out of luck' >&2; exit 3)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::failed);
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_EQ(ended.reason, "exit code 3");
  EXPECT_EQ(ended.stderr_tail, "out of luck");
  EXPECT_THAT(ended.metrics, IsEmpty());
}

TEST_F(RunnerOutcome, ExitCode127OfAShellIsAFailureNotAFailedStart) {
  shell("no-such-program-anywhere");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::failed);
  EXPECT_EQ(ended.exit_code, 127);
}

TEST_F(RunnerOutcome, BadResultWithoutAReport) {
  shell(R"(echo '{"step": 1, "loss": 1}' >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::bad_result);
  EXPECT_THAT(ended.reason, HasSubstr("without reporting 'accuracy'; it reported 'loss'"));
}

TEST_F(RunnerOutcome, BadResultThatIsNotFinite) {
  shell(R"(echo '{"step": 1, "accuracy": 0.5}' >> $KRIGON_REPORT_FILE
           echo '{"accuracy": NaN}' >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::bad_result);
  EXPECT_THAT(ended.reason, HasSubstr("not a finite number"));
}

TEST_F(RunnerOutcome, ExitZeroIsEnoughWhereNoResultIsNeeded) {
  shell("true");
  EXPECT_EQ(run_one({.needs_result = false}).outcome, Outcome::completed);
}

TEST_F(RunnerOutcome, SignalledByItself) {
  shell("kill -SEGV $$");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::signalled);
  EXPECT_EQ(ended.signal, SIGSEGV);
  EXPECT_THAT(ended.reason, HasSubstr("SIGSEGV"));
}

TEST_F(RunnerOutcome, StoppedEarly) {
  shell("touch ready; exec sleep 1000");
  Runner runner(options_);
  start_ready(runner);
  runner.stop(0, StopReason::early_stop);
  runner.stop(0, StopReason::cancelled);  // the first reason counts
  const auto ended = finish(runner).ended.at(0);
  EXPECT_EQ(ended.outcome, Outcome::stopped);
  EXPECT_EQ(ended.signal, SIGTERM);
  EXPECT_THAT(ended.metrics, IsEmpty());
}

TEST_F(RunnerOutcome, StoppedEvenWhenItExitsWithZeroOnSigterm) {
  shell(R"(trap 'exit 0' TERM; echo '{"accuracy": 1}' >> $KRIGON_REPORT_FILE
           touch ready; while :; do sleep 0.05; done)");
  Runner runner(options_);
  start_ready(runner);
  runner.stop(0, StopReason::early_stop);
  const auto ended = finish(runner).ended.at(0);
  EXPECT_EQ(ended.outcome, Outcome::stopped);
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.metrics, IsEmpty());
}

TEST_F(RunnerOutcome, EndedBeforeTheStopArrives) {
  shell(R"(echo '{"accuracy": 1}' >> $KRIGON_REPORT_FILE; touch ready)");
  Runner runner(options_);
  runner.start({});
  // The program is over, but this side has not looked since it started.
  ASSERT_TRUE(eventually([&] {
    return fs::exists(attempt_folder() / "ready") &&
           processes_with("KRIGON_TRIAL_DIR=" + attempt_folder().string()).empty();
  }));
  runner.stop(0, StopReason::early_stop);
  EXPECT_EQ(finish(runner).ended.at(0).outcome, Outcome::completed);
}

TEST_F(RunnerOutcome, ReportsAfterTheStopStillArrive) {
  shell(R"(trap 'echo "{\"step\": 2, \"accuracy\": 0.2}" >> $KRIGON_REPORT_FILE; exit 0' TERM
           echo '{"step": 1, "accuracy": 0.1}' >> $KRIGON_REPORT_FILE
           touch ready; while :; do sleep 0.05; done)");
  Runner runner(options_);
  runner.start({});
  Outcomes outcomes;
  ASSERT_TRUE(eventually([&] {
    collect(runner, outcomes);
    return fs::exists(attempt_folder() / "ready");
  }));
  runner.stop(0, StopReason::early_stop);
  while (runner.running() > 0) collect(runner, outcomes);
  ASSERT_EQ(outcomes.reports.size(), 2u);
  EXPECT_EQ(outcomes.reports[1].step, 2);
}

TEST_F(RunnerOutcome, CancelledByAPerson) {
  shell("touch ready; exec sleep 1000");
  Runner runner(options_);
  start_ready(runner);
  runner.stop(0, StopReason::cancelled);
  EXPECT_EQ(finish(runner).ended.at(0).outcome, Outcome::cancelled);
}

TEST_F(RunnerOutcome, KilledAtOnce) {
  options_.spec.trial.grace = std::chrono::hours(1);
  shell("trap '' TERM; touch ready; while :; do sleep 0.05; done");
  Runner runner(options_);
  start_ready(runner);
  runner.stop(0, StopReason::cancelled);
  runner.kill(0);
  const auto ended = finish(runner).ended.at(0);
  EXPECT_EQ(ended.outcome, Outcome::cancelled);
  EXPECT_EQ(ended.signal, SIGKILL);
}

TEST_F(RunnerOutcome, TimedOut) {
  options_.spec.trial.timeout = milliseconds(300);
  shell("trap '' TERM; while :; do sleep 0.05; done");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::timed_out);
  EXPECT_EQ(ended.signal, SIGKILL);
  EXPECT_EQ(ended.reason, "not done after 0.3 s, the time-out");
  EXPECT_GE(ended.seconds, 0.3);
}

TEST_F(RunnerOutcome, LostWithItsShim) {
  shell("touch ready; (setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' &) ; exec sleep 1000");
  Runner runner(options_);
  start_ready(runner);
  const std::string mark = "KRIGON_TRIAL_DIR=" + attempt_folder().string();
  // The shim is the parent of the program, and has not the program's environment.
  const auto program = processes_with(mark);
  ASSERT_THAT(program, ::testing::Not(IsEmpty()));
  int shim = 0;
  for (const int pid : program) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    const int parent = std::stoi(stat.substr(stat.rfind(')') + 4));
    if (read_file("/proc/" + std::to_string(parent) + "/comm") == "krigon-shim\n") shim = parent;
  }
  ASSERT_GT(shim, 0);
  ::kill(shim, SIGKILL);
  const auto ended = finish(runner).ended.at(0);
  EXPECT_EQ(ended.outcome, Outcome::lost);
  EXPECT_TRUE(eventually([&] { return processes_with(mark).empty(); }));
}

TEST_F(RunnerOutcome, CouldNotStartWhatIsNowhere) {
  options_.spec.trial.command = {"no-such-program-anywhere"};
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::could_not_start);
  EXPECT_THAT(ended.reason, HasSubstr("cannot start 'no-such-program-anywhere': No such file or directory"));
  EXPECT_THAT(ended.reason, HasSubstr("PATH"));
  EXPECT_FALSE(ended.exit_code);
}

TEST_F(RunnerOutcome, CouldNotStartHintsAtTheFileBesideTheStudy) {
  write_file(options_.study_folder / "train.py", "print(1)\n");
  options_.spec.trial.command = {"train.py"};
  EXPECT_THAT(run_one().reason, HasSubstr("write [python3, train.py, ...] in 'command:'"));
  write_file(options_.study_folder / "go", "exit 0\n");
  options_.spec.trial.command = {"go"};
  EXPECT_THAT(run_one().reason, HasSubstr("write ./go in 'command:'"));
}

TEST_F(RunnerOutcome, CouldNotStartHintsAtPermissionsAndInterpreters) {
  write_file(options_.study_folder / "train.py", "print(1)\n");
  options_.spec.trial.command = {"./train.py"};
  EXPECT_THAT(run_one().reason, HasSubstr("chmod +x"));
  write_file(options_.study_folder / "odd", "#!/no/such/interpreter\n");
  ::chmod((options_.study_folder / "odd").c_str(), 0755);
  options_.spec.trial.command = {"./odd"};
  EXPECT_THAT(run_one().reason, HasSubstr("'#!/no/such/interpreter', names no program here"));
  options_.spec.trial.command = {"./nothing"};
  EXPECT_THAT(run_one().reason, HasSubstr("relative paths are taken from"));
}

TEST_F(RunnerOutcome, CouldNotStartWithABadTemplate) {
  options_.spec.trial.command = {"echo", "{rate}"};
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::could_not_start);
  EXPECT_THAT(ended.reason, HasSubstr("{rate}"));
}

TEST_F(RunnerOutcome, MissingInputIsHintedAt) {
  write_file(options_.study_folder / "data.csv", "1,2\n");
  shell("cat data.csv");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::failed);
  EXPECT_THAT(ended.reason, HasSubstr("'data.csv' is beside the study file: list it under 'inputs:'"));
}

TEST_F(RunnerOutcome, OutOfMemory) {
  const std::string support = Runner::memory_limit_support();
  if (support.compare(0, 8, "enforced") != 0) GTEST_SKIP() << "memory limits are " << support;
  options_.spec.resources.memory = std::uint64_t{64} << 20;
  program({"eat", "400"});
  Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::out_of_memory) << ended.reason;
  EXPECT_EQ(ended.signal, SIGKILL);
  EXPECT_THAT(ended.reason, HasSubstr("64 MiB"));
  // A shell in between tells by its exit code alone.
  options_.spec.trial.command = {"sh", "-c", std::string(KRIGON_TEST_TRIAL) + " eat 400; exit $?"};
  ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::out_of_memory) << ended.reason;
  EXPECT_EQ(ended.exit_code, 137);
  // Below the limit nothing happens.
  program({"eat", "8"});
  ended = run_one({.needs_result = false});
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_THAT(ended.warnings, IsEmpty());
  EXPECT_GT(ended.peak_memory, std::int64_t{8} << 20);
}

TEST_F(RunnerOutcome, KilledFromOutsideIsNoMemoryMatter) {
  shell("kill -KILL $$");
  options_.spec.resources.memory = std::uint64_t{256} << 20;
  EXPECT_EQ(run_one().outcome, Outcome::signalled);
}

TEST_F(RunnerOutcome, LastWordsAreShortValidAndWhole) {
  shell(
      R"(i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done >&2; printf 'end \377\033[1m\n' >&2; exit 1)");
  const Ended ended = run_one();
  EXPECT_LE(ended.stderr_tail.size(), 4096u);
  EXPECT_THAT(ended.stderr_tail, ::testing::StartsWith("line 1"));
  EXPECT_THAT(ended.stderr_tail, ::testing::EndsWith("end \uFFFD\uFFFD[1m"));
}

TEST_F(RunnerOutcome, MisuseThrows) {
  shell("exec sleep 1000");
  Runner runner(options_);
  runner.start({});
  EXPECT_THROW(runner.start({}), UsageError);
  options_.spec.trial.metrics["accuracy"] = {false, "(["};
  EXPECT_THROW(Runner{options_}, UsageError);
  options_.spec.trial.metrics.clear();
  options_.shim = "/no/such/shim";
  EXPECT_THROW(Runner{options_}, EnvironmentError);
  options_.shim = KRIGON_SHIM;
  options_.trials_folder = "/proc/nothing";
  EXPECT_THROW(Runner{options_}, EnvironmentError);
  // The destructor of `runner` kills what still sleeps.
}

TEST_F(RunnerOutcome, UnknownTrialsAreLeftAlone) {
  Runner runner(options_);
  runner.stop(7, StopReason::early_stop);
  runner.kill(7);
  EXPECT_THAT(runner.poll(milliseconds(0)), IsEmpty());
}

}  // namespace
}  // namespace krigon::testing
