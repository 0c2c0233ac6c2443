#include "propose/training.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/told.hpp"

namespace krigon {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::Told;

Space line() {
  return Space(std::vector<Parameter>{{"x", RealDomain{0, 1, Scale::linear, {}}}});
}

TEST(Training, OnlyCompletedTrialsNeedNoStepColumn) {
  Told study(line(), {"value", Direction::maximize}, 27);
  const auto a = study.add({{"x", 0.25}}), b = study.add({{"x", 0.75}}), c = study.add({{"x", 0.5}});
  study.report(a, 3, 9.0);
  study.complete(b, 2.0);
  study.complete(a, 5.0);
  study.fail(c);
  study.add({{"x", 0.125}});
  const Encoding encoding(line());
  const auto training = make_training(encoding, study.history(), 100, 1);
  EXPECT_FALSE(training.step_column);
  EXPECT_THAT(training.data.y, ElementsAre(-2.0, -5.0));  // in the order of their ends
  EXPECT_THAT(training.data.columns, ElementsAre(0.75, 0.25));
  EXPECT_THAT(training.data.groups, ElementsAre(0));
  EXPECT_THAT(training.failed, ElementsAre(Point{0.5}));
  EXPECT_THAT(training.pending, ElementsAre(Point{0.125}));
  EXPECT_EQ(training.told, 2u);
}

TEST(Training, AStoppedTrialStandsAtItsStep) {
  Told study(line(), {"value", Direction::minimize}, 27);
  const auto a = study.add({{"x", 0.25}}), b = study.add({{"x", 0.75}}), c = study.add({{"x", 0.5}});
  study.report(a, 1, 8.0);
  study.report(a, 3, 6.0);
  study.stop(a);
  study.complete(b, 2.0);
  study.stop(c);  // before it reported anything: nothing to learn
  const auto training = make_training(Encoding(line()), study.history(), 100, 1);
  ASSERT_TRUE(training.step_column);
  EXPECT_THAT(training.data.y, ElementsAre(6.0, 2.0));
  EXPECT_THAT(training.data.columns, ElementsAre(0.25, DoubleEq(1.0 / 3), 0.75, 1.0));
  EXPECT_THAT(training.data.groups, ElementsAre(0, 1));
  EXPECT_THAT(rows_of(Encoding(line()), true, training.points), ElementsAre(0.25, 1.0, 0.75, 1.0));
}

TEST(Training, WhatWentOnSaysWhatAStopMeans) {
  Told study(line(), {"value", Direction::minimize}, 9);
  const auto stopped = study.add({{"x", 0.25}});
  study.report(stopped, 1, 8.0);
  study.stop(stopped);
  double x = 0.5;
  for (const double gain : {-3.0, -4.0, 100.0}) {  // the last one diverged
    const auto trial = study.add({{"x", x}});
    study.report(trial, 1, 7.0);
    study.report(trial, 2, 6.5);  // where no trial was stopped: not looked at
    study.complete(trial, 7.0 + gain);
    x += 0.125;
  }
  const auto training = make_training(Encoding(line()), study.history(), 100, 1);
  EXPECT_EQ(training.told, 4u);
  EXPECT_EQ(training.observations, 7u);
  EXPECT_THAT(training.data.y, ElementsAre(5.0, 4.0, 4.0, 4.0, 3.0, 4.0, 107.0));  // the median gain is -3
  EXPECT_THAT(training.data.columns,
              ElementsAre(0.25, 0.0, 0.5, 0.0, 0.5, 1.0, 0.625, 0.0, 0.625, 1.0, 0.75, 0.0, 0.75, 1.0));
  EXPECT_THAT(training.trials, ElementsAre(0, 1, 1, 2, 2, 3, 3));
}

TEST(Training, StopsAtNeighbouringStepsAreObservedAtOneOfThem) {
  Told study(line(), {"value", Direction::minimize}, 81);
  const auto stopped_at = [&](double x, std::int64_t from, std::int64_t step) {
    const auto trial = study.add({{"x", x}});
    for (std::int64_t t = from; t <= step; ++t) study.report(trial, t, 100.0 * x + static_cast<double>(t));
    study.stop(trial);
  };
  stopped_at(0.25, 1, 3);
  stopped_at(0.5, 1, 5);    // stands at 3
  stopped_at(0.75, 1, 7);   // at 3 and at 7
  stopped_at(0.875, 5, 5);  // reported nothing at 3: at its last report
  const auto training = make_training(Encoding(line()), study.history(), 100, 1);
  EXPECT_THAT(training.trials, ElementsAre(0, 1, 2, 2, 3));
  EXPECT_THAT(training.data.y, ElementsAre(28.0, 53.0, 78.0, 82.0, 92.5));
}

TEST(Training, WithoutMaxStepsTheHighestStepIsTheLast) {
  Told study(line());
  const auto a = study.add({{"x", 0.25}}), b = study.add({{"x", 0.75}});
  study.report(a, 4, 6.0);
  study.stop(a);
  study.report(b, 16, 2.0);
  study.complete(b, 2.0);
  const auto training = make_training(Encoding(line()), study.history(), 100, 1);
  EXPECT_THAT(training.data.columns, ElementsAre(0.25, DoubleEq(0.5), 0.75, 1.0));
}

TEST(Training, AboveTheCapTheBestAndTheNewestStay) {
  Told study(line());
  // Falls, then rises: the best are in the middle.
  for (int i = 0; i < 200; ++i) study.tell({{"x", i / 200.0}}, std::abs(i - 100));
  const auto training = make_training(Encoding(line()), study.history(), 40, 1);
  EXPECT_EQ(training.told, 200u);
  EXPECT_EQ(training.data.n, 40u);
  EXPECT_TRUE(std::is_sorted(training.trials.begin(), training.trials.end()));
  const auto holds = [&](std::int64_t trial) {
    return std::binary_search(training.trials.begin(), training.trials.end(), trial);
  };
  for (std::int64_t i = 91; i <= 109; ++i) EXPECT_TRUE(holds(i)) << i;
  for (std::int64_t i = 190; i < 200; ++i) EXPECT_TRUE(holds(i)) << i;
  const auto old = std::count_if(training.trials.begin(), training.trials.end(),
                                 [](std::int64_t trial) { return trial < 90; });
  EXPECT_GT(old, 0);
  EXPECT_EQ(make_training(Encoding(line()), study.history(), 40, 1).trials, training.trials);
}

}  // namespace
}  // namespace krigon
