#include "model/curves.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu_backend.hpp"
#include "core/random.hpp"

namespace krigon {
namespace {

using Curve = std::vector<CurvePoint>;

/// asymptote + t^-rate, with noise, at two steps for each doubling up to `last`.
Curve power_law(double asymptote, double rate, double noise, double last, Random& random) {
  Curve curve;
  for (double step = 1; step <= last * 1.0001; step *= std::sqrt(2.0)) {
    curve.push_back({step, asymptote + std::pow(step, -rate) + noise * random.normal()});
  }
  return curve;
}

class Curves : public testing::Test {
 protected:
  std::unique_ptr<CurveModel> learn(double noise) {
    std::vector<Curve> curves;
    for (int i = 0; i < 10; ++i) curves.push_back(power_law(0.1 * i, 0.5 + 0.03 * i, noise, 64, random));
    return make_curve_predictor(make_cpu_backend({.threads = 1, .simd = {}}))->learn(curves, 64);
  }
  Random random{1, 0, Purpose::paths};
};

TEST_F(Curves, AHalfOfACurveTellsItsEnd) {
  const auto model = learn(0.002);
  const Curve bad = power_law(0.6, 0.6, 0, 8, random), good = power_law(-0.2, 0.6, 0, 8, random);
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
    const Curve sofar = power_law(0.45, 0.6, 0, seen, random);
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
    const Curve sofar = power_law(asymptote, rate, 0.02, 6, random);
    const double end = asymptote + std::pow(64, -rate) + 0.02 * random.normal();
    const double target = sofar.back().loss - 0.5 * random.uniform();
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
  std::vector<Curve> curves;
  for (int i = 0; i < 8; ++i) curves.push_back(power_law(0.1 * i, 0.5, 0.002, 64, random));
  curves[3].back().loss = 1e6;
  curves[5].back().loss = 1e300;
  const auto model = make_curve_predictor(make_cpu_backend({.threads = 1, .simd = {}}))->learn(curves, 64);
  const auto probability = model->probability_below(0.2, power_law(0.7, 0.5, 0, 16, random), 64);
  EXPECT_TRUE(!probability || (*probability >= 0 && *probability < 0.3));
}

TEST_F(Curves, OneShortCurveIsEnoughToAsk) {
  const std::vector<Curve> curves{{{64, 0.5}}};
  const auto model = make_curve_predictor(make_cpu_backend({.threads = 1, .simd = {}}))->learn(curves, 64);
  const auto probability = model->probability_below(0.5, Curve{{1, 3.0}}, 64);
  EXPECT_TRUE(!probability || (*probability >= 0 && *probability <= 1));
}

}  // namespace
}  // namespace krigon
