#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/exp.hpp"
#include "kernels/matern52.hpp"
#include "kernels/normal.hpp"

namespace krigon {
namespace {

TEST(ExpElement, AgreesWithTheLibraryOverItsRange) {
  double worst = 0;
  for (double x = -708; x <= 709; x += 0.0137) {
    worst = std::max(worst, std::abs(exp_element(x) / std::exp(x) - 1));
  }
  EXPECT_LT(worst, 5e-16);
  EXPECT_EQ(exp_element(0), 1);
  EXPECT_EQ(exp_element(-0.0), 1);
}

TEST(ExpElement, IsClampedOutsideAndKeepsNan) {
  EXPECT_EQ(exp_element(-1e6), exp_element(-708));
  EXPECT_EQ(exp_element(-std::numeric_limits<double>::infinity()), exp_element(-708));
  EXPECT_EQ(exp_element(std::numeric_limits<double>::infinity()), exp_element(709));
  EXPECT_TRUE(std::isnan(exp_element(std::nan(""))));
}

TEST(Matern52Element, ValueAndWeightAgreeWithTheFormulaAndWithEachOther) {
  EXPECT_EQ(matern52(0).value, 1);
  for (const double r : {1e-2, 0.1, 0.7, 1.0, 3.0, 10.0}) {
    const double a = std::sqrt(5.0) * r;
    const Matern52 m = matern52(r * r);
    EXPECT_NEAR(m.value, (1 + a + a * a / 3) * std::exp(-a), 4e-16);
    // d value / d r2 = -weight / 2.
    const double step = 1e-5 * r * r;
    const double difference = (matern52(r * r + step).value - matern52(r * r - step).value) / (2 * step);
    EXPECT_NEAR(difference, -m.weight / 2, 1e-6) << r;
  }
}

TEST(ErfcxElement, IsContinuousAtItsBranchAndRightInTheTail) {
  EXPECT_EQ(erfcx_element(0), 1);
  EXPECT_NEAR(erfcx_element(1), 0.42758357615580700442, 4e-16);
  EXPECT_NEAR(erfcx_element(10), 0.056140992743822584934, 4e-17);
  EXPECT_NEAR(erfcx_element(100) / 0.0056416137829894329085, 1, 4e-16);
  const double below = erfcx_element(std::nextafter(25.0, 0.0));
  EXPECT_NEAR(below / erfcx_element(25.0), 1, 2e-15);
}

TEST(LogH, IsContinuousAtItsBranches) {
  for (const double u : {-1.0, -35.0, -1e6}) {
    const LogH at = log_h(u);
    const LogH above = log_h(std::nextafter(u, 0.0));
    EXPECT_NEAR(at.value / above.value, 1, 1e-14) << u;
    EXPECT_NEAR(at.derivative / above.derivative, 1, 1e-12) << u;
  }
}

TEST(LogH, FiniteAsFarAsItPromises) {
  for (const double u : {-1e150, -1e100, -1e8, 1e150}) {
    EXPECT_TRUE(std::isfinite(log_h(u).value)) << u;
    EXPECT_TRUE(std::isfinite(log_h(u).derivative)) << u;
  }
  EXPECT_GT(log_h(-1e8).derivative, 0);
}

TEST(LogExpectedImprovement, PartialsMatchDifferences) {
  for (const double mean : {-1.0, 0.3, 4.0}) {
    for (const double variance : {1.0, 0.05}) {
      const LogEi e = log_expected_improvement(mean, variance, 0.1);
      const double step = 1e-6;
      const auto value = [](double m, double v) { return log_expected_improvement(m, v, 0.1).value; };
      EXPECT_NEAR(e.d_mean, (value(mean + step, variance) - value(mean - step, variance)) / (2 * step),
                  1e-7 * (1 + std::abs(e.d_mean)));
      EXPECT_NEAR(
          e.d_variance,
          (value(mean, variance * (1 + step)) - value(mean, variance * (1 - step))) / (2 * step * variance),
          1e-7 * (1 + std::abs(e.d_variance)));
    }
  }
}

}  // namespace
}  // namespace krigon
