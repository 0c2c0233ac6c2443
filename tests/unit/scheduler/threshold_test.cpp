#include "scheduler/threshold.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

EarlyStopping options(double bound) {
  EarlyStopping o;
  o.type = "threshold";
  o.bound = bound;
  o.min_steps = 3;
  o.max_steps = 6;
  return o;
}

TEST(Threshold, StopsWhatIsWorseFromMinStepsUpToTheMaximum) {
  ThresholdScheduler scheduler{options(4), 4};
  for (std::int64_t step = 1; step <= 7; ++step) {
    scheduler.observe(0, 1, step, 4.5);
    scheduler.observe(1, 1, step, 4.0);
    EXPECT_EQ(scheduler.judge(0).verdict == Verdict::stop, step >= 3 && step < 6) << step;
    EXPECT_EQ(scheduler.judge(1).verdict, Verdict::go_on) << "the bound itself is allowed";
  }
}

TEST(Threshold, SpeaksOfTheBoundAsThePersonWroteIt) {
  ThresholdScheduler scheduler{options(0.5), -0.5};  // an accuracy of at least a half
  scheduler.observe(0, 1, 3, -0.25);
  EXPECT_EQ(scheduler.judge(0).reason, "at step 3 it is worse than 0.5, the bound");
}

TEST(Threshold, ANewAttemptIsJudgedByItsOwnReports) {
  ThresholdScheduler scheduler{options(4), 4};
  scheduler.observe(0, 1, 5, 9.0);
  EXPECT_EQ(scheduler.judge(0).verdict, Verdict::stop);
  scheduler.observe(0, 2, 4, 1.0);
  EXPECT_EQ(scheduler.judge(0).verdict, Verdict::go_on);
  scheduler.observe(0, 1, 6, 9.0);
  scheduler.observe(0, 2, 3, 9.0);
  EXPECT_EQ(scheduler.judge(0).verdict, Verdict::go_on) << "of a lost attempt, and late";
}

}  // namespace
}  // namespace krigon
