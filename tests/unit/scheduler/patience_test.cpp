#include "scheduler/patience.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

class Patience : public testing::Test {
 protected:
  static EarlyStopping options(std::int64_t patience, double delta, std::int64_t min_steps = 1,
                               std::int64_t max_steps = 0) {
    EarlyStopping o;
    o.type = "patience";
    o.patience = patience;
    o.delta = delta;
    o.min_steps = min_steps;
    o.max_steps = max_steps;
    return o;
  }
  bool stops(std::int64_t step, double loss, std::int64_t attempt = 1) {
    scheduler.observe(0, attempt, step, loss);
    return scheduler.judge(0).verdict == Verdict::stop;
  }
  PatienceScheduler scheduler{options(3, 0.1)};
};

TEST_F(Patience, CountsStepsSinceTheLastRealImprovement) {
  EXPECT_FALSE(stops(1, 5.0));
  EXPECT_FALSE(stops(2, 4.0));
  EXPECT_FALSE(stops(3, 3.95)) << "no improvement: 0.05 is not more than 0.1";
  EXPECT_FALSE(stops(4, 3.875)) << "0.125 better than the best that counts";
  EXPECT_FALSE(stops(6, 9.0));
  EXPECT_TRUE(stops(7, 3.8125));
  EXPECT_EQ(scheduler.judge(0).basis.at("best_step"), 4);
  EXPECT_FALSE(stops(8, 1.0)) << "it improves after all";
}

TEST_F(Patience, AnImprovementByDeltaExactlyIsNone) {
  PatienceScheduler exact{options(2, 0.5)};
  exact.observe(0, 1, 1, 2.0);
  exact.observe(0, 1, 3, 1.5);
  EXPECT_EQ(exact.judge(0).verdict, Verdict::stop);
}

TEST_F(Patience, StepsNotReportsAreCounted) {
  EXPECT_FALSE(stops(1, 5.0));
  EXPECT_TRUE(stops(4, 5.0)) << "one report, three steps";
}

TEST_F(Patience, OtherTrialsDoNotMatter) {
  for (std::int64_t step = 1; step <= 9; ++step) scheduler.observe(1, 1, step, 0.0);
  EXPECT_FALSE(stops(1, 5.0));
  EXPECT_FALSE(stops(3, 5.0));
}

TEST_F(Patience, NeverBeforeMinStepsNorFromTheMaximumOn) {
  PatienceScheduler bounded{options(2, 0, 5, 8)};
  for (std::int64_t step = 1; step <= 9; ++step) {
    bounded.observe(0, 1, step, 1.0);
    EXPECT_EQ(bounded.judge(0).verdict == Verdict::stop, step >= 5 && step < 8) << step;
  }
}

TEST_F(Patience, ANewAttemptGoesBackToWhatStoodBeforeItsFirstStep) {
  stops(1, 5.0);
  stops(2, 1.0);
  EXPECT_FALSE(stops(4, 3.0));
  EXPECT_FALSE(stops(2, 4.0, 2)) << "the 1.0 at step 2 is gone";
  EXPECT_FALSE(stops(4, 4.0, 2));
  EXPECT_TRUE(stops(5, 4.0, 2)) << "the best is the 4.0 at step 2";
  EXPECT_EQ(scheduler.judge(0).basis.at("best"), 4.0);
}

TEST_F(Patience, AtLateStepsItGoesBackToAMilestone) {
  PatienceScheduler late{options(1000, 0)};
  late.observe(0, 1, 1'000'000, 5.0);
  late.observe(0, 1, 2'000'000, 1.0);
  late.observe(0, 2, 1'500'000, 6.0);
  EXPECT_EQ(late.judge(0).basis.at("best"), 5.0);
  EXPECT_EQ(late.judge(0).basis.at("best_step"), 1'000'000);
}

}  // namespace
}  // namespace krigon
