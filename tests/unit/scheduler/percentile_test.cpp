#include "scheduler/percentile.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

class Percentile : public testing::TestWithParam<std::pair<double, double>> {
 protected:
  static PercentileScheduler make(double percent) {
    EarlyStopping o;
    o.type = "percentile";
    o.startup = 1;
    return {o, percent, "percentile"};
  }
};

// numpy.percentile([1, 2, 4, 8, 16], p): linear interpolation, checked by hand.
TEST_P(Percentile, InterpolatesBetweenTheOthers) {
  const auto [percent, value] = GetParam();
  auto scheduler = make(percent);
  for (std::int64_t trial = 0; trial < 5; ++trial)
    scheduler.observe(trial, 1, 1, std::ldexp(1.0, static_cast<int>(trial)));
  scheduler.observe_completed(0, 1);
  scheduler.observe(9, 1, 1, value + 1e-6);
  const auto judgement = scheduler.judge(9);
  EXPECT_NEAR(judgement.basis.at("percentile"), value, 1e-12);
  EXPECT_EQ(judgement.verdict, Verdict::stop);
  scheduler.observe(10, 1, 1, 0.5);
  EXPECT_EQ(scheduler.judge(10).verdict, Verdict::go_on);
}

INSTANTIATE_TEST_SUITE_P(ByHand, Percentile,
                         testing::Values(std::pair{10.0, 1.4}, std::pair{25.0, 2.0}, std::pair{40.0, 3.2},
                                         std::pair{50.0, 4.0}, std::pair{90.0, 12.8}));

TEST_F(Percentile, KeepsAboutTheShareThatItIsToldTo) {
  auto scheduler = make(25);
  int stopped = 0;
  for (std::int64_t trial = 0; trial < 400; ++trial) {
    scheduler.observe(trial, 1, 1, static_cast<double>((trial * 149) % 400));
    if (trial < 20) scheduler.observe_completed(trial, 0);
    if (trial >= 100) stopped += scheduler.judge(trial).verdict == Verdict::stop ? 1 : 0;
  }
  EXPECT_NEAR(stopped, 225, 15);
}

TEST_F(Percentile, AnAttemptFromACheckpointGoesOnWithTheAverageBefore) {
  auto scheduler = make(50);
  for (std::int64_t step = 1; step <= 4; ++step) scheduler.observe(0, 1, step, 10.0);
  scheduler.observe_completed(0, 10);
  scheduler.observe(1, 1, 1, 4.0);
  scheduler.observe(1, 1, 2, 6.0);
  scheduler.observe(1, 1, 3, 99.0);
  scheduler.observe(1, 2, 3, 8.0);  // average (4 + 6 + 8) / 3
  scheduler.observe(2, 1, 3, 7.0);
  EXPECT_DOUBLE_EQ(scheduler.judge(2).basis.at("percentile"), (6.0 + 10.0) / 2);
  EXPECT_DOUBLE_EQ(scheduler.judge(1).basis.at("best"), 4.0);
}

}  // namespace
}  // namespace krigon
