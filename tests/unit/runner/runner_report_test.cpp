// Reports and output on their way from the program to the runner.
#include <gmock/gmock.h>

#include "runner/report_line.hpp"
#include "runner_fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RunnerReport : public RunnerTest {};

TEST_F(RunnerReport, ComesWhileTheTrialRuns) {
  shell(R"(echo '{"step": 1, "accuracy": 0.5, "loss": 3}' >> $KRIGON_REPORT_FILE; exec sleep 1000)");
  Runner runner(options_);
  runner.start({.trial = 4, .attempt = 2});
  Outcomes outcomes;
  ASSERT_TRUE(eventually([&] {
    collect(runner, outcomes);
    return !outcomes.reports.empty();
  }));
  EXPECT_EQ(outcomes.reports[0].trial, 4);
  EXPECT_EQ(outcomes.reports[0].attempt, 2);
  EXPECT_EQ(outcomes.reports[0].step, 1);
  EXPECT_EQ(outcomes.reports[0].metrics, (Metrics{{"accuracy", 0.5}, {"loss", 3}}));
  EXPECT_EQ(runner.running(), 1u);
}

TEST_F(RunnerReport, PartialLinesWaitForTheirEnd) {
  shell(R"(printf '{"step": 1, "accu' >> $KRIGON_REPORT_FILE; sleep 0.3
           printf 'racy": 0.5}\n{"step": 2, "accuracy": 0.6}' >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_THAT(ended.warnings, IsEmpty());
  ASSERT_THAT(last_.reports, SizeIs(2));
  EXPECT_EQ(last_.reports[0].metrics.at("accuracy"), 0.5);
  EXPECT_EQ(last_.reports[1].metrics.at("accuracy"), 0.6);  // the end of the program ends its last line
}

TEST_F(RunnerReport, BurstsComeWholeAndInOrder) {
  shell(
      R"(i=1; while [ $i -le 20000 ]; do echo "{\"step\": $i, \"accuracy\": $i}"; i=$((i+1)); done >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics.at("accuracy"), 20000);
  ASSERT_THAT(last_.reports, SizeIs(20000));
  for (std::size_t i = 0; i < last_.reports.size(); ++i) {
    ASSERT_EQ(last_.reports[i].step, static_cast<std::int64_t>(i) + 1);
  }
}

TEST_F(RunnerReport, FilesThatAreReplacedAreReadAgain) {
  shell(R"(for i in 1 2 3; do
             j=1; : > new; while [ $j -le $i ]; do echo "{\"step\": $j, \"accuracy\": $j}" >> new; j=$((j+1)); done
             mv new $KRIGON_REPORT_FILE; sleep 0.1
           done)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_THAT(ended.warnings, IsEmpty());
  EXPECT_THAT(last_.reports, SizeIs(3));
}

TEST_F(RunnerReport, RubbishIsSetAsideAndSaid) {
  shell(R"(head -c 300000 /dev/urandom >> $KRIGON_REPORT_FILE
           head -c 300000 /dev/zero >> $KRIGON_REPORT_FILE; echo >> $KRIGON_REPORT_FILE
           echo '{"step": 1, "accuracy": {"top1": 1}}' >> $KRIGON_REPORT_FILE
           echo '{"step": 2, "accuracy": 0.5}' >> $KRIGON_REPORT_FILE)");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics, (Metrics{{"accuracy", 0.5}}));
  ASSERT_THAT(ended.warnings, SizeIs(6));
  EXPECT_THAT(ended.warnings[0], HasSubstr("set aside"));
  EXPECT_THAT(ended.warnings[5], HasSubstr("more like these"));
}

TEST_F(RunnerReport, FromAShellByTheWriter) {
  const fs::path file = folder_ / "report.jsonl";
  append_report(file, 3, {{"accuracy", 0.91}, {"loss", 1e-05}});
  append_report(file, std::nullopt, {{"accuracy", 0.95}});
  EXPECT_EQ(read_file(file), "{\"step\": 3, \"accuracy\": 0.91, \"loss\": 1e-05}\n{\"accuracy\": 0.95}\n");
}

TEST_F(RunnerReport, PatternsOnStandardOutput) {
  options_.spec.trial.metrics["accuracy"] = {false, "val_acc=([0-9.]+)"};
  options_.spec.trial.metrics["loss"] = {true, "loss: ([-+0-9.e]+)"};
  shell(R"sh(for i in 1 2 3; do
    echo "epoch $i"; echo "loss: $i.5e-1" >&2; sleep 0.3; echo "val_acc=0.$i (best)"; sleep 0.1
  done)sh");
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics, (Metrics{{"accuracy", 0.3}, {"loss", 0.35}}));
  EXPECT_THAT(ended.warnings, IsEmpty());
  ASSERT_THAT(last_.reports, SizeIs(3));
  EXPECT_EQ(last_.reports[1].step, 2);
  EXPECT_EQ(last_.reports[1].metrics, (Metrics{{"accuracy", 0.2}, {"loss", 0.25}}));
}

TEST_F(RunnerReport, PatternsThatTellTheStepAndProgressBars) {
  options_.spec.trial.metrics["accuracy"] = {false, "acc ([0-9.]+)"};
  options_.spec.trial.metrics["step"] = {false, "epoch ([0-9]+)"};
  shell(R"(printf 'epoch 5\r 10%%\repoch 5 acc 0.5\nepoch 10 acc 0.75\n')");
  const Ended ended = run_one();
  EXPECT_EQ(ended.metrics, (Metrics{{"accuracy", 0.75}})) << ended.reason;
  ASSERT_THAT(last_.reports, SizeIs(2));
  EXPECT_EQ(last_.reports[0].step, 5);
  EXPECT_EQ(last_.reports[1].step, 10);
}

TEST_F(RunnerReport, PatternsOnPythonComeWhileItRuns) {
  options_.spec.trial.metrics["accuracy"] = {false, "acc ([0-9.]+)"};
  options_.spec.trial.command = {"python3", "-c", "print('acc 0.5'); import time; time.sleep(1000)"};
  Runner runner(options_);
  runner.start({});
  Outcomes outcomes;
  EXPECT_TRUE(eventually([&] {
    collect(runner, outcomes);
    return !outcomes.reports.empty();
  }));
}

TEST_F(RunnerReport, PatternsThatNeverMatchAreABadResult) {
  options_.spec.trial.metrics["accuracy"] = {false, "val_acc=([0-9.]+)"};
  shell("echo accuracy 0.9");
  EXPECT_EQ(run_one().outcome, Outcome::bad_result);
}

TEST_F(RunnerReport, PatternsOnFloodsDoNotHoldTheTrialUp) {
  options_.spec.trial.metrics["accuracy"] = {false, "val_acc=([0-9.]+)"};
  options_.spec.trial.command = {"sh", "-c", std::string(KRIGON_TEST_TRIAL) + " print 100; echo val_acc=0.5"};
  const Ended ended = run_one();
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  EXPECT_EQ(ended.metrics.at("accuracy"), 0.5);
}

TEST_F(RunnerReport, OutputIsCappedAtBothEnds) {
  options_.spec.trial.output_limit = 1 << 20;
  program({"print", "200"});
  const Ended ended = run_one({.needs_result = false});
  EXPECT_EQ(ended.outcome, Outcome::completed) << ended.reason;
  const std::string text = standard_output();
  EXPECT_LE(text.size(), (1u << 20) + 200u);
  EXPECT_GE(text.size(), 1u << 19);
  EXPECT_THAT(text, ::testing::StartsWith("first line\nxxx"));
  EXPECT_THAT(text, ::testing::EndsWith("xxx\nlast line\n"));
  EXPECT_THAT(text, HasSubstr("bytes left out here by output_limit]"));
  EXPECT_THAT(ended.warnings, ::testing::ElementsAre(HasSubstr("bytes of stdout not kept")));
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(attempt_folder())) ++files;
  EXPECT_EQ(files, 4);  // stdout.log, stderr.log, params.json, report.jsonl: no parts left
}

TEST_F(RunnerReport, OutputBelowTheCapIsWhole) {
  shell("seq 1 10000; seq 1 10000 >&2");
  ASSERT_EQ(run_one({.needs_result = false}).outcome, Outcome::completed);
  const std::string expected = standard_output();
  EXPECT_EQ(expected.size(), 48894u);
  EXPECT_EQ(read_file(attempt_folder() / "stderr.log"), expected);
}

}  // namespace
}  // namespace krigon::testing
