// The library surface of the engine, as an outside project sees it.

#include "krigon/gp.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/acquisition.hpp"
#include "tests/unit/app/surface.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(GaussianProcess, PredictsInTheUnitsOfTheData) {
  const auto x = points(60);
  GaussianProcess process = GaussianProcess::fit(x, 2, surface_at(x), boxed());
  EXPECT_EQ(process.size(), 60u);
  EXPECT_EQ(process.columns(), 2u);
  EXPECT_EQ(process.note(), "");
  EXPECT_THAT(process.device(), HasSubstr("cpu"));
  const auto at = points(30, 0.37);
  const auto truth = surface_at(at);
  std::vector<double> mean(30), variance(30);
  process.predict(at, mean, variance);
  for (std::size_t j = 0; j < 30; ++j) {
    EXPECT_NEAR(mean[j], truth[j], 3.0);
    EXPECT_GT(variance[j], 0);
    EXPECT_LT(variance[j], 30.0);
  }
  // Linear in y: other units, the same process.
  auto y = surface_at(x);
  for (double& value : y) value = 1e-3 * value - 7;
  GaussianProcess scaled = GaussianProcess::fit(x, 2, y, boxed());
  std::vector<double> scaled_mean(30), scaled_variance(30);
  scaled.predict(at, scaled_mean, scaled_variance);
  for (std::size_t j = 0; j < 30; ++j) {
    EXPECT_NEAR(scaled_mean[j], 1e-3 * mean[j] - 7, 1e-6);
    EXPECT_NEAR(scaled_variance[j], 1e-6 * variance[j], 1e-8);
  }
  EXPECT_NEAR(scaled.hyperparameters().signal_variances[0],
              1e-6 * process.hyperparameters().signal_variances[0], 1e-6);
}

TEST(GaussianProcess, GradientsAgreeWithDifferences) {
  const auto x = points(30);
  for (const Kernel& kernel :
       {Kernel::matern52(), Kernel::rbf({0}) * Kernel::matern32({1}) + Kernel::linear({0})}) {
    GpOptions options = boxed();
    options.kernel = kernel;
    GaussianProcess process = GaussianProcess::fit(x, 2, surface_at(x), options);
    const auto at = points(5, 0.37);
    std::vector<double> mean(5), variance(5), d_mean(10), d_variance(10), high(5), low(5), high_v(5),
        low_v(5);
    process.predict_with_gradient(at, mean, variance, d_mean, d_variance);
    for (std::size_t i = 0; i < 10; ++i) {
      auto up = at, down = at;
      constexpr double kStep = 1e-4;
      up[i] += kStep;
      down[i] -= kStep;
      process.predict(up, high, high_v);
      process.predict(down, low, low_v);
      const double by_mean = (high[i / 2] - low[i / 2]) / (2 * kStep);
      const double by_variance = (high_v[i / 2] - low_v[i / 2]) / (2 * kStep);
      EXPECT_NEAR(d_mean[i], by_mean, 1e-4 * (1 + std::abs(by_mean)));
      EXPECT_NEAR(d_variance[i], by_variance, 1e-4 * (1 + std::abs(by_variance)));
    }
  }
}

TEST(GaussianProcess, PointsComeAndGo) {
  const auto x = points(40);
  const auto y = surface_at(x);
  GaussianProcess whole = GaussianProcess::fit(x, 2, y, boxed());
  whole.remove(3);
  whole.append(std::span(x).subspan(6, 2), std::span(y).subspan(3, 1));
  GaussianProcess same = GaussianProcess::fit(x, 2, y, boxed());
  const auto at = points(7, 0.37);
  std::vector<double> mean(7), variance(7), expected(7), expected_variance(7), covariance(49), joint(7);
  whole.predict(at, mean, variance);
  same.predict(at, expected, expected_variance);
  for (std::size_t j = 0; j < 7; ++j) EXPECT_NEAR(mean[j], expected[j], 1e-5);
  whole.predict_joint(at, joint, covariance);
  for (std::size_t j = 0; j < 7; ++j) {
    EXPECT_NEAR(joint[j], mean[j], 1e-9);
    EXPECT_NEAR(covariance[8 * j], variance[j], 1e-9);
  }
  EXPECT_EQ(whole.sample(at, 3, 5), whole.sample(at, 3, 5));
  whole.refit();
  EXPECT_EQ(whole.leave_one_out().mean.size(), 40u);
}

TEST(GaussianProcess, KnownNoiseIsNotFitted) {
  const auto x = points(25);
  GpOptions options = boxed();
  options.noise = 9.0;
  EXPECT_NEAR(GaussianProcess::fit(x, 2, surface_at(x), options).hyperparameters().noise_variance, 9.0, 1e-9);
  options.noise = 0.0;
  auto y = surface_at(x);
  GaussianProcess exact = GaussianProcess::fit(x, 2, y, options);
  std::vector<double> mean(25), variance(25);
  exact.predict(x, mean, variance);
  for (std::size_t i = 0; i < 25; ++i) EXPECT_NEAR(mean[i], y[i], 1e-3);
  // A point that is known to be noise says nothing.
  options.noise_variances.assign(25, 0.0);
  options.noise_variances[4] = 1e12;
  y[4] += 500;
  GaussianProcess careful = GaussianProcess::fit(x, 2, y, options);
  careful.predict(x, mean, variance);
  EXPECT_NEAR(mean[4], y[4] - 500, 60);
}

TEST(GaussianProcess, CategoricalColumnsHaveNoOrder) {
  std::vector<double> x, y;
  for (int i = 0; i < 30; ++i) {
    const double a = (i % 10) / 9.0;
    const double kind = i / 10 == 0 ? 7 : (i / 10 == 1 ? 3 : 5);
    x.insert(x.end(), {a, kind});
    y.push_back(std::sin(4 * a) + (kind == 5 ? 2 : 0));
  }
  GpOptions options;
  options.kernel = Kernel::matern52({0}) * Kernel::categorical({1});
  GaussianProcess process = GaussianProcess::fit(x, 2, y, options);
  EXPECT_EQ(process.hyperparameters().lengthscales.size(), 2u);
  const std::vector<double> at = {0.25, 5, 0.25, 7};
  std::vector<double> mean(2), variance(2);
  process.predict(at, mean, variance);
  EXPECT_NEAR(mean[0] - mean[1], 2, 0.1);
  EXPECT_THAT(
      [&] {
        process.predict(std::vector<double>{0.5, 4}, std::span(mean).first(1), std::span(variance).first(1));
      },
      ThrowsMessage<UsageError>(HasSubstr("4 in column 1 of point 0 is no choice")));
  AcquisitionOptions acquisition;
  acquisition.direction = Direction::maximize;
  const auto best = maximize_acquisition(process, acquisition);
  EXPECT_EQ(best.x[1], 5) << "the choice with the largest values";
}

TEST(GaussianProcess, WhatCannotBeIsRefusedInWords) {
  const std::vector<double> x = {0, 1, 2, 3}, y = {1, 2};
  EXPECT_THAT([&] { GaussianProcess::fit(x, 3, y); },
              ThrowsMessage<UsageError>(HasSubstr("2 points of 3 columns")));
  EXPECT_THAT([&] { GaussianProcess::fit({}, 1, {}); }, ThrowsMessage<UsageError>(HasSubstr("at least one")));
  const std::vector<double> nan = {1, std::nan("")};
  EXPECT_THAT([&] { GaussianProcess::fit(x, 2, nan); }, ThrowsMessage<UsageError>(HasSubstr("y[1] is nan")));
  GpOptions options;
  options.kernel = Kernel::rbf({2});
  EXPECT_THAT([&] { GaussianProcess::fit(x, 2, y, options); },
              ThrowsMessage<UsageError>(HasSubstr("column 2, of 2")));
  options = {};
  options.lower = {0};
  EXPECT_THAT([&] { GaussianProcess::fit(x, 2, y, options); },
              ThrowsMessage<UsageError>(HasSubstr("1 lower")));
  GaussianProcess process = GaussianProcess::fit(x, 2, y);
  AcquisitionOptions acquisition;
  acquisition.name = "log-ie";
  EXPECT_THROW(maximize_acquisition(process, acquisition), UsageError);
  acquisition.name = "log-ei";
  acquisition.q = 2;
  EXPECT_THAT([&] { maximize_acquisition(process, acquisition); },
              ThrowsMessage<UsageError>(HasSubstr("q-log-ei")));
}

}  // namespace
}  // namespace krigon
