#include "model/curves.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu_backend.hpp"
#include "core/random.hpp"

namespace krigon {
namespace {

/// asymptote + t^-rate, with noise, at two steps for each doubling up to `last`.
LearningCurve power_law(double asymptote, double rate, double noise, double last, Random& random) {
  LearningCurve curve;
  for (double step = 1; step <= last * 1.0001; step *= std::sqrt(2.0)) {
    curve.points.push_back({step, asymptote + std::pow(step, -rate) + noise * random.normal()});
  }
  return curve;
}

std::unique_ptr<Predictor> predictor(const Space& space = {}) {
  return make_curve_predictor(make_cpu_backend({.threads = 1, .simd = {}}), space);
}

class Curves : public testing::Test {
 protected:
  std::unique_ptr<CurveModel> learn(double noise) {
    std::vector<LearningCurve> curves;
    for (int i = 0; i < 10; ++i) curves.push_back(power_law(0.1 * i, 0.5 + 0.03 * i, noise, 64, random));
    return predictor()->learn(curves, 64);
  }
  Random random{1, 0, Purpose::paths};
};

TEST_F(Curves, AHalfOfACurveTellsItsEnd) {
  const auto model = learn(0.002);
  const LearningCurve bad = power_law(0.6, 0.6, 0, 8, random), good = power_law(-0.2, 0.6, 0, 8, random);
  const double best = 0.0 + std::pow(64, -0.5);
  EXPECT_LT(model->probability_below(best, bad, 64).value(), 0.01);
  EXPECT_GT(model->probability_below(best, good, 64).value(), 0.9);
  EXPECT_LT(model->probability_below(best, bad, 64).value(), 0.01) << "asking changes nothing";
}

TEST_F(Curves, TheMoreIsSeenTheSurerItIs) {
  const auto model = learn(0.002);
  const double own_end = 0.45 + std::pow(64, -0.6);
  double before = 1;
  for (const double seen : {2.0, 16.0, 48.0}) {
    const LearningCurve sofar = power_law(0.45, 0.6, 0, seen, random);
    // How much probability lies away from the truth, 0.1 to each side.
    const double doubt = 1 - model->probability_below(own_end + 0.1, sofar, 64).value() +
                         model->probability_below(own_end - 0.1, sofar, 64).value();
    EXPECT_LT(doubt, before) << seen;
    before = doubt;
  }
  EXPECT_LT(before, 0.01);
}

// Stated probabilities against what comes true: of forecasts that say 10 to 40 % about that many.
TEST_F(Curves, ForecastsAreNotOverconfident) {
  const auto model = learn(0.02);
  int asked = 0, came_true = 0;
  double said = 0;
  for (int i = 0; i < 300; ++i) {
    const double asymptote = 0.9 * random.uniform(), rate = 0.5 + 0.3 * random.uniform();
    const LearningCurve sofar = power_law(asymptote, rate, 0.02, 6, random);
    const double end = asymptote + std::pow(64, -rate) + 0.02 * random.normal();
    const double target = sofar.points.back().loss - 0.5 * random.uniform();
    const double p = model->probability_below(target, sofar, 64).value();
    if (p < 0.1 || p > 0.9) continue;
    ++asked;
    said += p;
    came_true += end < target ? 1 : 0;
  }
  ASSERT_GT(asked, 40);
  EXPECT_NEAR(came_true / static_cast<double>(asked), said / asked, 0.2);
}

TEST_F(Curves, CurvesThatDivergedDoNotHideTheOthers) {
  std::vector<LearningCurve> curves;
  for (int i = 0; i < 8; ++i) curves.push_back(power_law(0.1 * i, 0.5, 0.002, 64, random));
  curves[3].points.back().loss = 1e6;
  curves[5].points.back().loss = 1e300;
  const auto model = predictor()->learn(curves, 64);
  const auto probability = model->probability_below(0.2, power_law(0.7, 0.5, 0, 16, random), 64);
  EXPECT_TRUE(!probability || (*probability >= 0 && *probability < 0.3));
}

TEST_F(Curves, OneShortCurveIsEnoughToAsk) {
  const std::vector<LearningCurve> curves{{{}, {{64, 0.5}}}};
  const auto model = predictor()->learn(curves, 64);
  const auto probability = model->probability_below(0.5, LearningCurve{{}, {{1, 3.0}}}, 64);
  EXPECT_TRUE(!probability || (*probability >= 0 && *probability <= 1));
}

// A small rate starts slowly and ends well. One and the same beginning, of which the parameters alone tell.
TEST_F(Curves, ParametersTellWhatABeginningDoesNot) {
  const Space space{{{"rate", RealDomain{.min = 0, .max = 1}}, {"other", RealDomain{.min = 0, .max = 1}}}};
  const auto curve = [&](double u, double last) {
    auto made = power_law(0.1 + 0.5 * u, 0.35 + 0.9 * u, 0.002, last, random);
    made.parameters = {{"rate", u}, {"other", random.uniform()}};
    return made;
  };
  std::vector<LearningCurve> curves;
  for (int i = 0; i < 12; ++i) curves.push_back(curve(0.05 + 0.08 * i, 64));
  const auto model = predictor(space)->learn(curves, 64);
  LearningCurve sofar = curve(0.3, 4);
  double best = 1;
  for (const auto& whole : curves) best = std::min(best, whole.points.back().loss);
  const double slow = model->probability_below(best + 0.02, sofar, 64).value();
  sofar.parameters.at("rate") = 0.9;
  const double fast = model->probability_below(best + 0.02, sofar, 64).value();
  EXPECT_GT(slow, 0.3);
  EXPECT_LT(fast, slow / 2);
}

TEST_F(Curves, OfParametersOfAnotherSpaceNothingIsSaid) {
  const Space space{{{"rate", RealDomain{.min = 0, .max = 1}}}};
  auto whole = power_law(0.1, 0.5, 0, 64, random), sofar = power_law(0.1, 0.5, 0, 8, random);
  whole.parameters = {{"rate", 0.5}};
  sofar.parameters = {{"width", 0.5}};
  const std::vector<LearningCurve> curves{whole, sofar};  // one that it can learn from
  const auto model = predictor(space)->learn(curves, 64);
  EXPECT_EQ(model->probability_below(0.5, sofar, 64), std::nullopt);
  sofar.parameters = {{"rate", 0.4}};
  EXPECT_NE(model->probability_below(0.5, sofar, 64), std::nullopt);
  const std::vector<LearningCurve> none{curves[1]};
  EXPECT_EQ(predictor(space)->learn(none, 64)->probability_below(0.5, sofar, 64), std::nullopt);
}

TEST_F(Curves, LossesOfAnySizeAreTaken) {
  std::vector<LearningCurve> curves;
  for (int i = 0; i < 6; ++i) curves.push_back(power_law(0.1 * i, 0.5, 0.002, 64, random));
  for (auto& point : curves[2].points) point.loss = -1e308;
  for (auto& point : curves[4].points) point.loss = 1e308;
  const auto model = predictor()->learn(curves, 64);
  const auto probability = model->probability_below(-1e308, power_law(0.7, 0.5, 0, 16, random), 64);
  EXPECT_TRUE(!probability || (*probability >= 0 && *probability <= 1));
}

}  // namespace
}  // namespace krigon
