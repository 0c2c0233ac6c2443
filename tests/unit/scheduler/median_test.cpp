#include <vector>

#include <gtest/gtest.h>

#include "fed_rule.hpp"
#include "scheduler/percentile.hpp"

namespace krigon {
namespace {

EarlyStopping options(std::int64_t startup, std::int64_t min_steps = 1, std::int64_t max_steps = 0) {
  EarlyStopping result;
  result.type = "median";
  result.startup = startup;
  result.min_steps = min_steps;
  result.max_steps = max_steps;
  return result;
}

class Median : public FedRule<PercentileScheduler> {
 protected:
  Median() : FedRule(PercentileScheduler(options(3), 50, "median")) {}
  /// Reports the losses at steps 1, 2, ...; the last verdict.
  Judgement curve(std::int64_t trial, const std::vector<double>& losses) {
    Judgement last;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      scheduler.observe(trial, 1, static_cast<std::int64_t>(i) + 1, losses[i]);
      last = scheduler.judge(trial);
    }
    return last;
  }
  void completed(std::int64_t trial, const std::vector<double>& losses) {
    curve(trial, losses);
    scheduler.observe_completed(trial, losses.back());
  }
};

// Running averages at step 2: 3, 5, 7 -> median 5. At step 3: (4+2+0)/3 = 2, (6+4+2)/3 = 4, 6 -> 4.
TEST_F(Median, ComparesTheBestSoFarWithTheMedianOfRunningAveragesByHand) {
  completed(0, {4, 2, 0});
  completed(1, {6, 4, 2});
  completed(2, {8, 6, 4});
  EXPECT_EQ(report(3, 1, 6.5).verdict, Verdict::stop);  // 6.5 > median(4, 6, 8)
  const auto at2 = report(3, 2, 4.5);
  EXPECT_EQ(at2.verdict, Verdict::go_on);
  EXPECT_DOUBLE_EQ(at2.basis.at("median"), 5);
  EXPECT_DOUBLE_EQ(at2.basis.at("best"), 4.5);
  EXPECT_EQ(at2.basis.at("others"), 3);
  const auto at3 = report(3, 3, 100);  // its best stays 4.5
  EXPECT_DOUBLE_EQ(at3.basis.at("median"), 4);
  EXPECT_EQ(at3.verdict, Verdict::stop);
  EXPECT_FALSE(at3.reason.empty());
}

TEST_F(Median, AnEvenNumberOfOthersHasTheMiddleOfTheTwo) {
  completed(0, {1});
  completed(1, {2});
  completed(2, {4});
  curve(3, {100});
  const auto judgement = report(4, 1, 3);  // others: 1 2 4 100
  EXPECT_DOUBLE_EQ(judgement.basis.at("median"), 3);
  EXPECT_EQ(judgement.verdict, Verdict::go_on) << "equal is not worse";
  EXPECT_EQ(report(5, 1, 3.5).verdict, Verdict::stop);  // others: 1 2 3 4 100
}

TEST_F(Median, TheTrialItselfIsNotAmongTheOthers) {
  completed(0, {1});
  completed(1, {3});
  completed(2, {5});
  EXPECT_DOUBLE_EQ(report(3, 1, 3).basis.at("median"), 3);
  EXPECT_DOUBLE_EQ(report(4, 1, 0.5).basis.at("median"), 3);   // 1 3 3 5
  EXPECT_DOUBLE_EQ(report(5, 1, 50.0).basis.at("median"), 3);  // .5 1 3 3 5
}

TEST_F(Median, WaitsForItsStartUpTrials) {
  completed(0, {1, 1});
  completed(1, {1, 1});
  curve(2, {1});  // running, not completed
  EXPECT_EQ(report(3, 1, 9).verdict, Verdict::go_on);
  scheduler.observe_completed(2, 1);
  EXPECT_EQ(report(4, 1, 9).verdict, Verdict::stop);
  EXPECT_EQ(report(3, 2, 9).verdict, Verdict::go_on) << "only two others came to step 2";
}

TEST_F(Median, CompletedTrialsThatNeverReportedAreNoEvidence) {
  for (std::int64_t trial = 0; trial < 10; ++trial) scheduler.observe_completed(trial, 1.0);
  EXPECT_TRUE(report(10, 1, 9).basis.is_null());
  EXPECT_TRUE(report(11, 1, 99).basis.is_null());
}

TEST_F(Median, AStepThatIsSkippedCountsWithTheAverageSoFar) {
  for (std::int64_t trial = 0; trial < 3; ++trial) {
    report(trial, 2, 10);
    report(trial, 6, 2);
    scheduler.observe_completed(trial, 2);
  }
  const auto at1 = report(5, 1, 50);
  EXPECT_TRUE(at1.basis.is_null()) << "nobody had said anything by step 1";
  EXPECT_DOUBLE_EQ(report(5, 4, 50).basis.at("median"), 10);
  EXPECT_DOUBLE_EQ(report(5, 6, 50).basis.at("median"), 6);
}

TEST_F(Median, NeverBeforeMinStepsNorFromTheMaximumOn) {
  PercentileScheduler bounded{options(1, 4, 8), 50, "median"};
  for (std::int64_t step = 1; step <= 9; ++step) bounded.observe(0, 1, step, 0.0);
  bounded.observe_completed(0, 0.0);
  for (std::int64_t step = 1; step <= 9; ++step) {
    bounded.observe(1, 1, step, 5.0);
    EXPECT_EQ(bounded.judge(1).verdict == Verdict::stop, step >= 4 && step < 8) << step;
  }
}

TEST_F(Median, ANewAttemptStartsAfresh) {
  completed(0, {1, 1, 1});
  completed(1, {2, 2, 2});
  completed(2, {3, 3, 3});
  report(3, 1, 1.5);
  report(3, 2, 1.5);
  EXPECT_EQ(report(3, 1, 9.0, 2).verdict, Verdict::stop) << "the best of the lost attempt is gone";
  EXPECT_EQ(report(4, 2, 1.0).basis.at("others"), 3) << "and so is its entry at step 2";
}

TEST_F(Median, LateStepsAreCoarse) {
  for (std::int64_t trial = 0; trial < 3; ++trial) {
    report(trial, 1, 1.0);
    report(trial, 1'000'000, 1.0);
    scheduler.observe_completed(trial, 1.0);
  }
  report(9, 1, 1.0);
  EXPECT_EQ(report(9, 900'001, 1.0).basis.at("others"), 3);
  EXPECT_TRUE(report(9, 900'002, 1.0).basis.is_null()) << "the same milestone is judged once";
}

TEST_F(Median, TheLargestDoublesHaveAMedianToo) {
  for (std::int64_t trial = 0; trial < 4; ++trial) {
    report(trial, 1, 1.7e308);
    report(trial, 2, -1.7e308);
    scheduler.observe_completed(trial, -1.7e308);
  }
  const auto judgement = report(9, 2, 1.7e308);
  EXPECT_EQ(judgement.basis.at("median"), 0.0);
  EXPECT_EQ(judgement.verdict, Verdict::stop);
}

}  // namespace
}  // namespace krigon
