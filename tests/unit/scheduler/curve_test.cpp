#include "scheduler/curve.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace krigon {
namespace {

/// Says what it is told to, and keeps what it was asked.
struct Oracle final : Predictor {
  struct Model final : CurveModel {
    explicit Model(Oracle& to) : oracle(to) {}
    std::optional<double> probability_below(double loss, const LearningCurve& sofar, double step) override {
      oracle.asked_loss = loss;
      oracle.asked = sofar.points;
      oracle.asked_parameters = sofar.parameters;
      oracle.asked_step = step;
      return oracle.probability;
    }
    Oracle& oracle;
  };
  std::unique_ptr<CurveModel> learn(std::span<const LearningCurve> curves, double) override {
    learnt.push_back(curves.size());
    lessons.assign(curves.begin(), curves.end());
    return std::make_unique<Model>(*this);
  }
  std::optional<double> probability = 0.5;
  double asked_loss = 0, asked_step = 0;
  std::vector<CurvePoint> asked;
  Parameters asked_parameters;
  std::vector<LearningCurve> lessons;
  std::vector<std::size_t> learnt;
};

class Curve : public testing::Test {
 protected:
  static EarlyStopping options() {
    EarlyStopping o;
    o.type = "curve";
    o.startup = 2;
    o.min_steps = 2;
    o.max_steps = 32;
    o.probability = 0.1;
    return o;
  }
  void completed(std::int64_t trial, double loss) {
    for (std::int64_t step = 1; step <= 32; ++step) scheduler.observe(trial, 1, step, loss + 1);
    scheduler.observe_completed(trial, loss);
  }
  Judgement report(std::int64_t trial, std::int64_t step, double loss, std::int64_t attempt = 1) {
    scheduler.observe(trial, attempt, step, loss);
    return scheduler.judge(trial);
  }
  std::shared_ptr<Oracle> oracle = std::make_shared<Oracle>();
  CurveScheduler scheduler{options(), oracle};
};

TEST_F(Curve, StopsWhoWillHardlyBeatTheBest) {
  completed(0, 3.0);
  EXPECT_TRUE(report(9, 2, 1.0).basis.is_null()) << "one has completed, two are needed";
  completed(1, 2.0);
  oracle->probability = 0.1;
  EXPECT_EQ(report(9, 3, 1.0).verdict, Verdict::go_on) << "as likely as allowed";
  oracle->probability = 0.09;
  const auto judgement = report(9, 4, 1.0);
  EXPECT_EQ(judgement.verdict, Verdict::stop);
  EXPECT_EQ(judgement.basis.at("probability"), 0.09);
  EXPECT_EQ(oracle->asked_loss, 2.0);
  EXPECT_EQ(oracle->asked_step, 32);
}

TEST_F(Curve, NeverBeforeMinStepsNorFromTheMaximumOnNorWithoutAForecast) {
  completed(0, 3.0);
  completed(1, 2.0);
  oracle->probability = 0;
  EXPECT_EQ(report(9, 1, 1.0).verdict, Verdict::go_on);
  EXPECT_EQ(report(9, 2, 1.0).verdict, Verdict::stop);
  EXPECT_EQ(report(9, 32, 1.0).verdict, Verdict::go_on);
  oracle->probability.reset();
  EXPECT_TRUE(report(8, 2, 1.0).basis.is_null());
  CurveScheduler blind{options(), nullptr};
  for (std::int64_t trial = 0; trial < 3; ++trial) {
    blind.observe(trial, 1, 4, 1.0);
    EXPECT_EQ(blind.judge(trial).verdict, Verdict::go_on);
    blind.observe_completed(trial, 1.0);
  }
}

TEST_F(Curve, StretchesAreMeans) {
  completed(0, 3.0);
  completed(1, 2.0);
  report(9, 4, 8.0);
  report(9, 5, 6.0);
  report(9, 6, 5.0);
  ASSERT_EQ(oracle->asked.size(), 2u);  // 4 and 5; 6
  EXPECT_DOUBLE_EQ(oracle->asked[0].step, 4.5);
  EXPECT_DOUBLE_EQ(oracle->asked[0].loss, 7.0);
  EXPECT_DOUBLE_EQ(oracle->asked[1].loss, 5.0);
  report(9, 6, 1.0, 2);
  ASSERT_EQ(oracle->asked.size(), 2u);
  EXPECT_DOUBLE_EQ(oracle->asked[1].loss, 1.0) << "of the new attempt alone";
}

TEST_F(Curve, LearnsAnewWhenHalfAsManyMoreHaveEnded) {
  for (std::int64_t trial = 0; trial < 45; ++trial) {
    completed(trial, 100.0 - static_cast<double>(trial % 7));
    report(1000 + trial, 2, 1.0);
  }
  // At 2, 3, 5, 8, 12, 18, 27 and 41 completed trials; the best 16 and the latest 16.
  EXPECT_THAT(oracle->learnt,
              testing::ElementsAre(2, 3, 5, 8, 12, testing::AllOf(testing::Ge(16), testing::Le(18)),
                                   testing::Le(27), testing::AllOf(testing::Ge(17), testing::Le(32))));
}

TEST_F(Curve, ThePredictorIsToldOfParameters) {
  const auto parameters = [](double rate) { return Parameters{{"rate", rate}}; };
  for (std::int64_t trial = 0; trial < 2; ++trial) {
    scheduler.observe_parameters(trial, parameters(static_cast<double>(trial)));
    completed(trial, 3.0);
  }
  scheduler.observe_parameters(9, parameters(0.5));
  report(9, 2, 1.0);
  EXPECT_EQ(oracle->asked_parameters, parameters(0.5));
  ASSERT_EQ(oracle->lessons.size(), 2u);
  EXPECT_EQ(oracle->lessons[1].parameters, parameters(1));
}

TEST_F(Curve, LearnsFromStoppedTrialsTooAsFarAsTheyWent) {
  for (std::int64_t trial = 0; trial < 30; ++trial) {
    scheduler.observe_parameters(trial, {{"rate", static_cast<double>(trial)}});
    for (std::int64_t step = 1; step <= 4; ++step) scheduler.observe(trial, 1, step, 9.0);
    scheduler.observe_state(trial, TrialState::stopped, -1, -1);
    scheduler.observe_state(trial, TrialState::stopped, -1, -1);
  }
  scheduler.observe_state(77, TrialState::stopped, -1, -1);  // of which nothing was heard
  completed(100, 3.0);
  completed(101, 2.0);
  report(102, 2, 1.0);
  ASSERT_EQ(oracle->lessons.size(), 24u + 2u) << "the latest, each once";
  EXPECT_EQ(oracle->lessons[0].parameters, (Parameters{{"rate", 6.0}}));
  EXPECT_EQ(oracle->lessons[0].points.back().step, 4);
}

TEST_F(Curve, AWrongModelComesToSeeThatItIs) {
  completed(1, 3.0);
  completed(2, 2.0);
  oracle->probability = 0;
  EXPECT_EQ(report(40, 2, 1.0).verdict, Verdict::go_on) << "one trial in 20 is left alone";
  EXPECT_EQ(report(40, 8, 1.0).verdict, Verdict::go_on);
  EXPECT_EQ(report(40, 16, 1.0).verdict, Verdict::stop) << "up to a third";
  for (std::int64_t trial = 3; trial < 9; ++trial) {
    EXPECT_EQ(report(trial, 2, 1.0).verdict, Verdict::stop);
    scheduler.observe_state(trial, TrialState::stopped, -1, -1);
  }
  // At 2, 3, 5 and 8 that ended, of which two completed.
  EXPECT_THAT(oracle->learnt, testing::ElementsAre(2, 3, 5));
  report(9, 2, 1.0);
  EXPECT_THAT(oracle->learnt, testing::ElementsAre(2, 3, 5, 8));
}

TEST_F(Curve, CompletedTrialsThatNeverReportedAreLessonsToo) {
  for (std::int64_t trial = 0; trial < 2; ++trial) {
    scheduler.observe_parameters(trial, {{"rate", 0.5}});
    scheduler.observe_completed(trial, 3.0);
    scheduler.observe_state(trial, TrialState::completed, -1, -1);
  }
  report(9, 2, 1.0);
  ASSERT_EQ(oracle->lessons.size(), 2u);
  ASSERT_EQ(oracle->lessons[0].points.size(), 1u);
  EXPECT_EQ(oracle->lessons[0].points[0].step, 32);
}

}  // namespace
}  // namespace krigon
