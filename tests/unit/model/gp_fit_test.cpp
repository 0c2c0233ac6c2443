#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "gp_samples.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"

namespace krigon {
namespace {

using testing::HasSubstr;

class GpFit : public testing::Test {
 protected:
  FitResult fitted(const GpData& data, const FitOptions& options = {}) {
    return fit(*backend_, data, options);
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = ""});
};

TEST_F(GpFit, LogPosteriorsGradientMatchesDifferences) {
  GpData data = sample_data(60, 4, 3);
  data.groups = {0, 1, 1, 2};
  std::vector<double> z;
  const OutputTransform t = OutputTransform::of(data.y, OutputScaling::standardise);
  for (const double y : data.y) z.push_back(t.forward(y));
  detail::NegativeLogPosterior objective(*backend_, data, z, {}, Priors::for_groups(3));
  const std::vector<double> at = {-0.3, 0.2, 0.6, 0.4, -4.0, 0.3};
  std::vector<double> value(1);
  std::vector<double> gradient(at.size());
  objective(at, value, gradient);
  for (std::size_t i = 0; i < at.size(); ++i) {
    constexpr double kStep = 1e-5;
    std::vector<double> both = at;
    both.insert(both.end(), at.begin(), at.end());
    both[i] += kStep;
    both[at.size() + i] -= kStep;
    std::vector<double> values(2);
    std::vector<double> ignored(both.size());
    objective(both, values, ignored);
    EXPECT_NEAR(gradient[i], (values[0] - values[1]) / (2 * kStep), 1e-6 * (1 + std::abs(gradient[i]))) << i;
  }
}

TEST_F(GpFit, FindsWhichColumnsMatter) {
  const GpData data = sample_data(120, 3, 5, 0.01);
  const FitResult result = fitted(data);
  EXPECT_EQ(result.status, FitStatus::ok) << result.note;
  EXPECT_LT(result.hyperparameters.log_lengthscale[0], result.hyperparameters.log_lengthscale[2]);
  EXPECT_LT(result.hyperparameters.log_noise_variance, std::log(0.01));
}

TEST_F(GpFit, IsAMaximum) {
  const GpData data = sample_data(70, 2, 6, 0.1);
  FitOptions options;
  options.tolerance = 1e-4;
  const FitResult best = fitted(data, options);
  options.optimise = false;
  for (const double step : {-0.3, 0.3}) {
    for (std::size_t i = 0; i < 5; ++i) {
      auto row = detail::pack(best.hyperparameters);
      row[i] += step;
      options.warm_start = detail::unpack(row, data.layout());
      EXPECT_LT(fitted(data, options).log_posterior, best.log_posterior) << i << " " << step;
    }
  }
}

TEST_F(GpFit, WarmStartNeedsFewEvaluationsAndLosesNothing) {
  const GpData data = sample_data(100, 4, 7, 0.05);
  FitOptions options;
  const FitResult cold = fitted(data, options);
  options.warm_start = cold.hyperparameters;
  options.starts = 1;
  const FitResult warm = fitted(data, options);
  EXPECT_LT(warm.evaluations, 12);
  EXPECT_GE(warm.log_posterior, cold.log_posterior - 1e-9);
}

/// A sum over ten columns: 128 of its points take it for another function than 200 do.
GpData additive_data(std::size_t n) {
  Random random(1, n, Purpose::candidates);
  GpData data;
  data.n = n;
  for (std::int32_t k = 0; k < 10; ++k) data.groups.push_back(k);
  for (std::size_t i = 0; i < n; ++i) {
    double y = 0.05 * random.normal();
    for (int k = 0; k < 10; ++k) {
      const double x = random.uniform();
      data.columns.push_back(x);
      y += std::sin(3 * x + k) / (1 + k);
    }
    data.y.push_back(y);
  }
  return data;
}

TEST_F(GpFit, ScreensStartsOnManyPointsWithoutLosingTheMaximum) {
  for (const GpData& data : {sample_data(300, 3, 8, 0.1), additive_data(200), additive_data(500)}) {
    const FitResult screened = fitted(data);
    EXPECT_EQ(screened.status, FitStatus::ok);
    FitOptions single;
    single.starts = 1;
    single.tolerance = 1e-4;
    // 1e-4 of the value, or a hundredth of a nat.
    const double slack = std::max(0.01, 1e-4 * std::abs(screened.log_posterior));
    EXPECT_GT(screened.log_posterior, fitted(data, single).log_posterior - slack) << data.n;
    single.warm_start = screened.hyperparameters;
    EXPECT_GT(screened.log_posterior, fitted(data, single).log_posterior - slack) << data.n;
  }
}

TEST_F(GpFit, AWarmStartInAWorseBasinIsLeftSoon) {
  const GpData data = additive_data(200);
  FitOptions options;
  // Everything is noise: from there a search ends in a lesser maximum.
  options.warm_start = prior_mode(Priors::for_groups(10), data);
  options.warm_start->log_noise_variance = 0;
  for (double& l : options.warm_start->log_lengthscale) l = 3;
  options.starts = 1;
  const FitResult alone = fitted(data, options);
  const double best = fitted(data).log_posterior;
  ASSERT_LT(alone.log_posterior, best - 1);
  // Every refit tries other starts on other points.
  options = FitOptions{};
  options.warm_start = alone.hyperparameters;
  int refits = 0;
  while (fitted(data, options).log_posterior < best - 0.5 && ++refits < 8) ++options.stream;
  EXPECT_LT(refits, 8);
}

TEST_F(GpFit, SameBitsAgainAndOnAnyNumberOfThreads) {
  const GpData data = sample_data(290, 3, 9, 0.1);
  FitOptions options;
  options.seed = 4;
  options.max_iterations = 6;
  const FitResult first = fitted(data, options);
  EXPECT_EQ(first.hyperparameters, fitted(data, options).hyperparameters);
  for (const int threads : {1, 3}) {
    const auto other = make_cpu_backend({.threads = threads, .simd = ""});
    const FitResult again = fit(*other, data, options);
    EXPECT_EQ(first.hyperparameters, again.hyperparameters) << threads;
    EXPECT_EQ(first.log_posterior, again.log_posterior) << threads;
  }
}

TEST_F(GpFit, NoPointsGiveThePriorsMode) {
  GpData data;
  data.groups = {0, 1};
  const FitResult result = fitted(data);
  EXPECT_EQ(result.status, FitStatus::ok);
  EXPECT_EQ(result.hyperparameters.log_lengthscale,
            std::vector<double>(2, Priors::for_groups(2).lengthscale.location));
}

TEST_F(GpFit, OnePointIsFine) {
  GpData data{.n = 1, .columns = {0.3}, .y = {5}, .groups = {0}};
  const FitResult result = fitted(data);
  EXPECT_EQ(result.status, FitStatus::ok) << result.note;
  EXPECT_TRUE(std::isfinite(result.log_posterior));
}

TEST_F(GpFit, ConstantAndHugeOutputsAreFine) {
  for (const double level : {0.0, 3.0, 1e300, -1e300}) {
    GpData data = sample_data(30, 2, 10);
    std::fill(data.y.begin(), data.y.end(), level);
    const FitResult result = fitted(data);
    EXPECT_EQ(result.status, FitStatus::ok) << level << result.note;
    EXPECT_TRUE(std::isfinite(result.log_posterior));
  }
  GpData data = sample_data(40, 2, 11);
  data.y[3] = 1e300;
  data.y[8] = 1e299;
  EXPECT_EQ(fitted(data).status, FitStatus::ok);
  data.y[5] = -1e300;
  EXPECT_EQ(fitted(data).status, FitStatus::ok);
}

TEST_F(GpFit, TwoThousandDuplicatesAreFine) {
  GpData data;
  data.n = 2000;
  data.groups = {0, 1};
  Random random(1, 0, Purpose::candidates);
  for (std::size_t i = 0; i < data.n; ++i) {
    data.columns.insert(data.columns.end(), {0.25, 0.75});
    data.y.push_back(random.normal());
  }
  FitOptions options;
  options.max_iterations = 4;
  const FitResult result = fitted(data, options);
  EXPECT_NE(result.status, FitStatus::failed) << result.note;
  EXPECT_GT(result.hyperparameters.log_noise_variance, std::log(0.5));
}

TEST_F(GpFit, FiveHundredColumns) {
  const GpData data = sample_data(40, 500, 12);
  FitOptions options;
  options.max_iterations = 15;
  const FitResult result = fitted(data, options);
  EXPECT_EQ(result.status, FitStatus::ok) << result.note;
}

TEST_F(GpFit, DuplicatesWithoutNoiseNeedJitterAndSaySo) {
  GpData data = sample_data(10, 1, 13, 0);
  data.columns.insert(data.columns.end(), data.columns.begin(), data.columns.begin() + 10);
  data.y.insert(data.y.end(), data.y.begin(), data.y.begin() + 10);
  data.n = 20;
  FitOptions options;
  options.optimise = false;
  options.warm_start = Hyperparameters{{-1.0}, {0.0}, -60.0, 0.0};
  Priors priors = Priors::for_groups(1);
  priors.noise_variance.lower = -80;
  options.priors = priors;
  const FitResult result = fitted(data, options);
  EXPECT_EQ(result.status, FitStatus::fell_back);
  EXPECT_THAT(result.note, HasSubstr("jitter 1e-08"));
  EXPECT_EQ(result.jitter, 1e-8);
}

TEST_F(GpFit, WhatIsNotFiniteFailsInWords) {
  GpData data = sample_data(10, 1, 14);
  data.y[4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(fitted(data).status, FitStatus::failed);
  EXPECT_THAT(fitted(data).note, HasSubstr("y[4] is nan"));
  data = sample_data(10, 1, 14);
  data.columns[2] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(fitted(data).note, HasSubstr("columns[2] is inf"));
}

TEST_F(GpFit, MisfitShapesAreRefused) {
  GpData data = sample_data(5, 2, 15);
  data.y.pop_back();
  EXPECT_THROW(fitted(data), UsageError);
  data = sample_data(5, 2, 15);
  FitOptions options;
  options.warm_start = Hyperparameters{{0.0}, {0}, 0, 0};
  EXPECT_THROW(fitted(data, options), UsageError);
  options = {};
  options.starts = 0;
  EXPECT_THROW(fitted(data, options), UsageError);
}

}  // namespace
}  // namespace krigon
