#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/gp.hpp"

namespace krigon {
namespace {

std::vector<double> forward(const std::vector<double>& y, OutputScaling scaling) {
  const OutputTransform t = OutputTransform::of(y, scaling);
  std::vector<double> z;
  for (const double value : y) z.push_back(t.forward(value));
  return z;
}

class OutputTransformTest : public testing::TestWithParam<OutputScaling> {};

TEST_P(OutputTransformTest, StandardisesOrdinaryValues) {
  const auto z = forward({1, 2, 3, 4, 5}, GetParam());
  double sum = 0;
  double square = 0;
  for (const double value : z) {
    sum += value;
    square += value * value;
  }
  EXPECT_NEAR(sum, 0, 1e-14);
  EXPECT_NEAR(square, 5, 1e-13);
}

TEST_P(OutputTransformTest, InverseUndoesForward) {
  const std::vector<double> y = {3, -2, 0.5, 8, 7, 1e6, 4, 4, 5, -1, 2};
  const OutputTransform t = OutputTransform::of(y, GetParam());
  for (const double value : y) EXPECT_NEAR(t.inverse(t.forward(value)), value, 1e-9 * (1 + std::abs(value)));
}

TEST_P(OutputTransformTest, KeepsTheOrder) {
  const std::vector<double> y = {-1e9, -5, 0, 1, 2, 3, 100, 1e4, 1e10, 1e100};
  const auto z = forward(y, GetParam());
  for (std::size_t i = 1; i < z.size(); ++i) EXPECT_LE(z[i - 1], z[i]) << i;
}

TEST_P(OutputTransformTest, ConstantValuesBecomeZero) {
  EXPECT_THAT(forward({7.25, 7.25, 7.25}, GetParam()), testing::Each(0.0));
  EXPECT_THAT(forward({1e300, 1e300}, GetParam()), testing::Each(0.0));
  EXPECT_THAT(forward({0, 0}, GetParam()), testing::Each(0.0));
  EXPECT_THAT(forward({3}, GetParam()), testing::Each(0.0));
  // Equal but for the last bit of a large offset: noise of rounding is not a signal.
  EXPECT_NEAR(forward({1e8, std::nextafter(1e8, 2e8)}, GetParam())[1], 0, 1e-6);
}

TEST_P(OutputTransformTest, ExtremesStayFinite) {
  for (const double big : {1e300, 1.7e308, 5e-324, 1e-300}) {
    for (const auto& y : {std::vector<double>{big, -big, 0.5 * big}, std::vector<double>{big, 0, 1, 2, 3}}) {
      for (const double z : forward(y, GetParam())) EXPECT_TRUE(std::isfinite(z)) << big;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scalings, OutputTransformTest,
                         testing::Values(OutputScaling::standardise, OutputScaling::winsorise,
                                         OutputScaling::winsorise_half),
                         [](const auto& instance) {
                           return instance.param == OutputScaling::standardise ? "standardise"
                                  : instance.param == OutputScaling::winsorise ? "winsorise"
                                                                               : "winsorise_half";
                         });

TEST(Winsorise, OneDivergedTrialDoesNotFlattenTheRest) {
  std::vector<double> y = {1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9};
  y.push_back(1e300);
  const auto robust = forward(y, OutputScaling::winsorise);
  EXPECT_GT(robust[9] - robust[0], 0.1);
  const auto plain = forward(y, OutputScaling::standardise);
  EXPECT_LT(plain[9] - plain[0], 1e-200);
}

TEST(Winsorise, LeavesTheGoodSideAlone) {
  const std::vector<double> y = {-1000, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9};
  EXPECT_THAT(forward(y, OutputScaling::winsorise),
              testing::Pointwise(testing::DoubleNear(1e-12), forward(y, OutputScaling::standardise)));
}

TEST(WinsoriseHalf, AThirdThatDivergedDoesNotFlattenTheRest) {
  const std::vector<double> y = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 8, 9, 10, 11};
  const auto robust = forward(y, OutputScaling::winsorise_half);
  EXPECT_GT(robust[7] - robust[0], 1);
  const auto flat = forward(y, OutputScaling::winsorise);
  EXPECT_LT(flat[7] - flat[0], 0.2);
}

TEST(WinsoriseHalf, WhereMostAreEquallyGoodTheNextBestSetsTheWidth) {
  const std::vector<double> y = {1, 1, 1, 1, 1, 1, 2, 3, 1e300};
  const auto robust = forward(y, OutputScaling::winsorise_half);
  EXPECT_GT(robust[6] - robust[0], 0.1);
  EXPECT_GT(robust[8], robust[7]);
}

}  // namespace
}  // namespace krigon
