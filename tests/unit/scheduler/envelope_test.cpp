#include "scheduler/envelope.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "fed_rule.hpp"

namespace krigon {
namespace {

EarlyStopping options(std::int64_t startup, std::int64_t min_steps, std::int64_t max_steps) {
  EarlyStopping result;
  result.type = "envelope";
  result.startup = startup;
  result.min_steps = min_steps;
  result.max_steps = max_steps;
  return result;
}

class Envelope : public FedRule<EnvelopeScheduler> {
 protected:
  Envelope() : FedRule(EnvelopeScheduler(options(2, 1, 4))) {}
  void completed(std::int64_t trial, const std::vector<double>& losses) {
    for (std::size_t i = 0; i < losses.size(); ++i) {
      report(trial, static_cast<std::int64_t>(i) + 1, losses[i]);
    }
    scheduler.observe_completed(trial, losses.back());
  }
};

// Up to step 4 an average is the report itself. The best two of three end at 1 and 2, and cross.
TEST_F(Envelope, StopsWhatIsWorseThanEachOfTheBestWasByHand) {
  completed(1, {9, 7, 4, 1});
  EXPECT_FALSE(stops(2, 1, 100)) << "too few have completed";
  completed(3, {3, 3, 3, 3});
  completed(4, {5, 4, 3, 2});
  const auto at1 = report(5, 1, 9);
  EXPECT_EQ(at1.verdict, Verdict::go_on) << "as bad as one that became the best";
  EXPECT_TRUE(at1.reason.empty());
  EXPECT_EQ(at1.basis.at("threshold"), 9);
  EXPECT_EQ(at1.basis.at("best"), 2);
  EXPECT_TRUE(stops(6, 1, 9.1));
  EXPECT_FALSE(stops(5, 2, 7));
  const auto at3 = report(5, 3, 4.5);
  EXPECT_EQ(at3.verdict, Verdict::stop);
  EXPECT_EQ(at3.basis.at("threshold"), 4);
  EXPECT_EQ(at3.reason, "at step 3 it is worse than each of the best 2 completed trials was");
  EXPECT_TRUE(report(7, 4, 100).basis.is_null()) << "it is complete";
}

TEST_F(Envelope, ABetterTrialTakesThePlaceOfTheWorstOfTheBest) {
  completed(1, {9, 7, 4, 1});
  completed(2, {5, 4, 3, 2});
  completed(3, {6, 5, 4, 0});
  completed(4, {4, 4, 4, 4});  // none of the best
  EXPECT_FALSE(stops(5, 1, 9)) << "what ended at 1 is still of the best two";
  completed(6, {3, 3, 1, 0.5});
  EXPECT_EQ(report(7, 1, 5).basis.at("threshold"), 6);
  EXPECT_TRUE(stops(8, 1, 9));
}

// Of 20 trials one is let go on up to a third of the way.
TEST(EnvelopeAlone, OneInTwentyIsJudgedLateOnly) {
  EnvelopeScheduler scheduler(options(1, 1, 9));
  for (std::int64_t step = 1; step <= 9; ++step) scheduler.observe(1, 1, step, 1.0);
  scheduler.observe_completed(1, 1.0);
  int first = 0;
  for (std::int64_t trial = 20; trial < 40; ++trial) {
    scheduler.observe(trial, 1, 1, 2.0);
    first += scheduler.judge(trial).verdict == Verdict::stop ? 0 : 1;
  }
  EXPECT_EQ(first, 1);
  scheduler.observe(20, 1, 2, 2.0);
  EXPECT_EQ(scheduler.judge(20).verdict, Verdict::go_on);
  scheduler.observe(20, 1, 3, 2.0);
  EXPECT_EQ(scheduler.judge(20).verdict, Verdict::stop);
}

// Weights 4/5 and 4/10 of the reports at steps 5 and 10, all of it up to step 4.
TEST(EnvelopeAlone, AveragesReachBackAQuarterOfTheWay) {
  EnvelopeScheduler scheduler(options(1, 1, 100));
  for (const auto step : {1, 4, 100}) scheduler.observe(1, 1, step, 1.0);
  scheduler.observe_completed(1, 1.0);
  const auto average = [&](std::int64_t step, double loss) {
    scheduler.observe(2, 1, step, loss);
    return scheduler.judge(2).basis.at("average").get<double>();
  };
  EXPECT_DOUBLE_EQ(average(4, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(average(5, 0.5), 0.2 * 1.0 + 0.8 * 0.5);
  for (std::int64_t step = 6; step < 9; ++step) average(step, 0.5);
  const double before = average(9, 0.5);
  EXPECT_DOUBLE_EQ(average(10, 0.0), 0.6 * before);
}

TEST(EnvelopeAlone, WhereOneOfTheBestHadSaidNothingYetNobodyIsStopped) {
  EnvelopeScheduler scheduler(options(2, 1, 9));
  for (const auto step : {1, 9}) scheduler.observe(1, 1, step, 1.0);
  scheduler.observe_completed(1, 1.0);
  for (const auto step : {3, 9}) scheduler.observe(2, 1, step, 1.0);
  scheduler.observe_completed(2, 1.0);
  const auto stops = [&](std::int64_t trial, std::int64_t step) {
    scheduler.observe(trial, 1, step, 5.0);
    return scheduler.judge(trial).verdict == Verdict::stop;
  };
  EXPECT_FALSE(stops(3, 2));
  EXPECT_TRUE(stops(4, 3));
  EXPECT_TRUE(stops(5, 8)) << "with what they last said before";
}

TEST(EnvelopeAlone, NobodyIsStoppedBeforeMinSteps) {
  EnvelopeScheduler scheduler(options(1, 3, 9));
  for (std::int64_t step = 1; step <= 9; ++step) scheduler.observe(1, 1, step, 1.0);
  scheduler.observe_completed(1, 1.0);
  for (std::int64_t step = 1; step <= 3; ++step) {
    scheduler.observe(2, 1, step, 5.0);
    EXPECT_EQ(scheduler.judge(2).verdict == Verdict::stop, step == 3) << step;
  }
}

TEST_F(Envelope, ANewAttemptTakesBackWhatTheOldOneSaid) {
  completed(1, {5, 4, 3, 2});
  completed(2, {5, 4, 3, 2});
  report(3, 1, 0.1);
  report(3, 2, 0.1);
  EXPECT_TRUE(stops(3, 1, 6, 2));
  EXPECT_TRUE(report(3, 3, 0.1, 1).verdict == Verdict::stop) << "an old attempt is not heard";
}

TEST_F(Envelope, WhatIsNoNumberIsNoRow) {
  completed(1, {5, 4, 3, 2});
  completed(2, {5, 4, 3, 2});
  scheduler.observe_completed(3, NAN);
  EXPECT_TRUE(report(4, 1, NAN).basis.is_null());
  EXPECT_TRUE(stops(4, 2, 6));
}

}  // namespace
}  // namespace krigon
