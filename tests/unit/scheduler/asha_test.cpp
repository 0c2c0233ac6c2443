#include "scheduler/asha.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fed_rule.hpp"

namespace krigon {
namespace {

EarlyStopping options(std::int64_t min_steps, std::int64_t max_steps, double reduction) {
  EarlyStopping result;
  result.type = "asha";
  result.min_steps = min_steps;
  result.max_steps = max_steps;
  result.reduction = reduction;
  return result;
}

class Asha : public FedRule<AshaScheduler> {
 protected:
  Asha() : FedRule(AshaScheduler(options(1, 27, 3))) {}
};

// Worked by hand: n entries with the newcomer, floor(n/3) go on, counted by those strictly better.
TEST_F(Asha, FollowsTheRungTableByHand) {
  struct Row {
    double loss;
    int keep;
    int better;
    bool stop;
  };
  const std::vector<Row> rows{
      {0.50, 0, 0, false},  // n=1
      {0.40, 0, 0, false},  // n=2
      {0.60, 1, 2, true},   // n=3
      {0.45, 1, 1, true},   // n=4
      {0.30, 1, 0, false},  // n=5
      {0.35, 2, 1, false},  // n=6
      {0.38, 2, 2, true},   // n=7
      {0.34, 2, 1, false},  // n=8
      {0.33, 3, 1, false},  // n=9: .30 .33 .34 | ...
      {0.35, 3, 3, true},   // n=10: .30 .33 .34 better
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    const auto judgement = report(static_cast<std::int64_t>(i), 1, rows[i].loss);
    EXPECT_EQ(judgement.verdict == Verdict::stop, rows[i].stop);
    EXPECT_EQ(judgement.basis.at("rung"), 1);
    EXPECT_EQ(judgement.basis.at("entries"), i + 1);
    EXPECT_EQ(judgement.basis.at("keep"), rows[i].keep);
    EXPECT_EQ(judgement.basis.at("better"), rows[i].better);
    EXPECT_EQ(judgement.reason.empty(), !rows[i].stop);
  }
}

TEST_F(Asha, RungsStandAtPowersOfTheReductionBelowTheMaximum) {
  std::vector<std::int64_t> rungs;
  for (std::int64_t step = 1; step <= 27; ++step) {
    const auto judgement = report(0, step, 1.0);
    if (!judgement.basis.is_null()) rungs.push_back(judgement.basis.at("rung"));
  }
  EXPECT_THAT(rungs, testing::ElementsAre(1, 3, 9));
}

TEST_F(Asha, WithoutAMaximumRungsGoOn) {
  AshaScheduler endless{options(2, 0, 4)};
  std::vector<std::int64_t> rungs;
  for (std::int64_t step = 1; step <= 600; ++step) {
    endless.observe(0, 1, step, 1.0);
    const auto judgement = endless.judge(0);
    if (!judgement.basis.is_null()) rungs.push_back(judgement.basis.at("rung"));
  }
  EXPECT_THAT(rungs, testing::ElementsAre(2, 8, 32, 128, 512));
}

TEST_F(Asha, AFractionalReductionRoundsItsRungsAndHasNoneTwice) {
  AshaScheduler fractional{options(1, 0, 1.2)};
  std::vector<std::int64_t> rungs;
  for (std::int64_t step = 1; step <= 10; ++step) {
    fractional.observe(0, 1, step, 1.0);
    const auto judgement = fractional.judge(0);
    if (!judgement.basis.is_null()) rungs.push_back(judgement.basis.at("rung"));
  }
  // 1.2^k: 1 1.2 1.44 1.73 2.07 2.49 2.99 3.58 4.30 5.16 6.19 7.43 8.92 (10.7)
  EXPECT_THAT(rungs, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 9));
}

TEST_F(Asha, JudgesOnlyTheFirstReportInARung) {
  for (std::int64_t trial = 0; trial < 5; ++trial) report(trial, 3, 0.1);
  EXPECT_FALSE(report(7, 1, 9.0).basis.is_null());
  EXPECT_TRUE(report(7, 2, 9.0).basis.is_null());
  EXPECT_TRUE(stops(7, 3, 9.0));
  EXPECT_TRUE(report(7, 4, 9.0).basis.is_null());
}

TEST_F(Asha, ABurstIsJudgedAtTheRungWithTheFirstReportAtOrAfterIt) {
  for (std::int64_t trial = 0; trial < 4; ++trial) EXPECT_FALSE(stops(trial, 3, 0.1));
  // Steps 2 and 5: rung 1 by the report at 2, rung 3 by that at 5.
  EXPECT_EQ(report(9, 2, 0.9).basis.at("rung"), 1);
  const auto judgement = report(9, 5, 0.9);
  EXPECT_EQ(judgement.basis.at("rung"), 3);
  EXPECT_EQ(judgement.basis.at("step"), 5);
  EXPECT_EQ(judgement.verdict, Verdict::stop);
}

TEST_F(Asha, AReportThatJumpsOverARungLeavesNoEntryInIt) {
  report(0, 9, 0.1);  // over rungs 1 and 3
  EXPECT_EQ(report(1, 1, 0.5).basis.at("entries"), 1);
  EXPECT_EQ(report(1, 3, 0.5).basis.at("entries"), 1);
  EXPECT_EQ(report(1, 9, 0.5).basis.at("entries"), 2);
}

TEST_F(Asha, TiesGoOn) {
  for (std::int64_t trial = 0; trial < 30; ++trial) EXPECT_FALSE(stops(trial, 1, 0.25)) << trial;
  EXPECT_TRUE(stops(30, 1, std::nextafter(0.25, 1.0)));
}

TEST_F(Asha, ANewAttemptWithdrawsTheEntriesOfTheOldOne) {
  report(0, 1, 0.1);
  report(0, 3, 0.1);
  report(1, 1, 0.2);
  report(0, 1, 0.9, 2);  // lost and run again: its 0.1 is gone from both rungs
  const auto rung1 = report(2, 1, 0.3);
  EXPECT_EQ(rung1.basis.at("entries"), 3);
  EXPECT_EQ(rung1.basis.at("better"), 1);
  EXPECT_EQ(report(2, 3, 0.3).basis.at("entries"), 1);
}

TEST_F(Asha, AnAttemptFromACheckpointLeavesItsEntriesBelow) {
  report(0, 1, 0.1);
  report(0, 3, 0.1);
  report(0, 9, 0.1);
  report(0, 3, 0.9, 2);
  EXPECT_EQ(report(1, 1, 0.2).basis.at("better"), 1);
  EXPECT_EQ(report(1, 3, 0.2).basis.at("better"), 0);
  EXPECT_EQ(report(1, 9, 0.2).basis.at("entries"), 1);
}

TEST_F(Asha, AnAttemptThatSaysNothingAtARungKeepsItsEntryThere) {
  report(0, 1, 0.1);
  report(0, 3, 0.1);
  report(0, 4, 0.9, 2);
  EXPECT_EQ(report(1, 3, 0.2).basis.at("entries"), 2);
}

TEST_F(Asha, ABracketBeginsHigherAndIsItsOwn) {
  auto with = options(1, 27, 3);
  with.brackets = 3;
  AshaScheduler brackets{with};
  std::vector<int> trials(3);
  const std::vector<std::int64_t> first{1, 3, 9};
  for (std::int64_t trial = 0; trial < 1300; ++trial) {
    for (std::int64_t step = 1; step <= 9; ++step) {
      brackets.observe(trial, 1, step, 0.5);
      const auto judgement = brackets.judge(trial);
      if (judgement.basis.is_null()) continue;
      const std::size_t bracket = judgement.basis.at("bracket");
      EXPECT_EQ(step, first.at(bracket));
      EXPECT_EQ(judgement.basis.at("entries"), ++trials.at(bracket)) << "with its like alone";
      break;
    }
  }
  // 9 * 3/3 : 3 * 3/2 : 1 * 3/1 of 16.5, to a trial or two.
  EXPECT_NEAR(trials[0], 1300 * 9 / 16.5, 4);
  EXPECT_NEAR(trials[1], 1300 * 4.5 / 16.5, 4);
  EXPECT_NEAR(trials[2], 1300 * 3 / 16.5, 4);
}

TEST_F(Asha, AWordOfAnOldAttemptIsIgnored) {
  report(0, 1, 0.5, 2);
  report(0, 3, 0.0, 1);
  EXPECT_EQ(report(1, 3, 0.4).basis.at("entries"), 1);
}

TEST_F(Asha, ARepeatedOrLowerStepIsIgnored) {
  report(0, 3, 0.5);
  report(0, 3, 0.1);
  report(0, 1, 0.1);
  EXPECT_EQ(report(1, 1, 0.5).basis.at("entries"), 1);
  EXPECT_EQ(report(1, 3, 0.6).basis.at("better"), 1);
}

TEST_F(Asha, AHugeStepIsOneReportAsAnyOther) {
  AshaScheduler endless{options(1, 0, 3)};
  for (std::int64_t trial = 0; trial < 4; ++trial) {
    endless.observe(trial, 1, INT64_MAX, static_cast<double>(trial));
    EXPECT_EQ(endless.judge(trial).verdict == Verdict::stop, trial >= 2) << trial;
  }
}

}  // namespace
}  // namespace krigon
