#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "gp_samples.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/shared_posterior.hpp"

namespace krigon {
namespace {

class GpJoint : public testing::Test {
 protected:
  static constexpr std::size_t kColumns = 3;

  Posterior posterior_of(const GpData& data) {
    const FitResult result = fit(*backend_, data, {});
    EXPECT_EQ(result.status, FitStatus::ok) << result.note;
    return {*backend_, data, result.hyperparameters, result.transform};
  }
  static std::vector<double> points(std::size_t m, std::uint64_t seed) {
    Random random(seed, m, Purpose::candidates);
    std::vector<double> x(m * kColumns);
    for (double& value : x) value = random.uniform();
    return x;
  }
  static std::vector<CovarianceSpec> specs() {
    using enum CovarianceKind;
    return {
        CovarianceSpec::matern52({0, 1, 2}),
        {{{matern32, {0, 1, 2}, {0, 1, 2}, {}, 0}}},
        {{{rbf, {0, 1, 2}, {0, 1, 1}, {}, 0}}},
        {{{matern52, {0, 1}, {0, 1}, {}, 0}, {rbf, {2}, {2}, {}, 0}, {linear, {0, 1, 2}, {3, 3, 3}, {}, 1}}},
        {{{matern52, {0, 1, 2}, {0, 1, 2}, {}, 0}, {periodic, {2}, {3}, {0}, 0}}}};
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = {}});
};

TEST_F(GpJoint, MomentsOfSinglePointsAreTheMarginalOnes) {
  Posterior posterior = posterior_of(sample_data(40, kColumns, 1));
  const auto x = points(10, 2);
  std::vector<double> mean(10), variance(10), moments(20), group(10 + 100);
  posterior.evaluate(x, mean, variance);
  posterior.evaluate_joint(x, 1, moments);
  posterior.evaluate_joint(x, 10, group);
  for (std::size_t j = 0; j < 10; ++j) {
    EXPECT_EQ(moments[2 * j], mean[j]);
    EXPECT_EQ(moments[2 * j + 1], variance[j]);
    EXPECT_NEAR(group[j], mean[j], 1e-12);
    EXPECT_NEAR(group[10 + 11 * j], variance[j], 1e-12);
  }
}

TEST_F(GpJoint, GradientAgreesWithDifferences) {
  for (const CovarianceSpec& spec : specs()) {
    GpData data = sample_data(30, kColumns, 3);
    data.covariance = spec;
    Posterior posterior = posterior_of(data);
    constexpr std::size_t kQ = 4;
    const auto x = points(2 * kQ, 4);
    std::vector<double> moments(2 * (kQ + kQ * kQ)), dx(x.size());
    const auto weight = points(moments.size(), 5);
    const auto value = [&](const std::vector<double>& at) {
      posterior.evaluate_joint(at, kQ, moments);
      return std::inner_product(moments.begin(), moments.end(), weight.begin(), 0.0);
    };
    posterior.evaluate_joint_with_gradient(
        x, kQ, moments,
        [&](std::span<const double>, std::span<double> adjoint) {
          std::copy_n(weight.begin(), adjoint.size(), adjoint.begin());
        },
        dx);
    for (std::size_t i = 0; i < x.size(); ++i) {
      constexpr double kStep = 1e-6;
      auto up = x, down = x;
      up[i] += kStep;
      down[i] -= kStep;
      const double difference = (value(up) - value(down)) / (2 * kStep);
      EXPECT_NEAR(dx[i], difference, 1e-6 * (1 + std::abs(difference))) << i;
    }
  }
}

TEST_F(GpJoint, OutputsThatSharePointsAreAsEachAlone) {
  for (const CovarianceSpec& spec : specs()) {
    GpData data = sample_data(25, kColumns, 3);
    data.covariance = spec;
    Posterior first = posterior_of(data);
    const auto targets = first.targets();
    const Hyperparameters& h = first.hyperparameters();
    std::vector<double> noise(25, std::exp(h.log_noise_variance)), both(targets.begin(), targets.end());
    for (const double target : targets) both.push_back(h.mean - 2 * (target - h.mean));
    SharedPosterior shared(*backend_, data.spec(), h, {data.columns, noise, both});
    ASSERT_EQ(shared.outputs(), 2u);
    constexpr std::size_t kQ = 3;
    const auto x = points(2 * kQ, 4);
    std::vector<double> expected(2 * (kQ + kQ * kQ)), moments(2 * (2 * kQ + kQ * kQ)), dx(x.size());
    first.evaluate_joint(x, kQ, expected);
    shared.evaluate(x, kQ, moments);
    for (std::size_t g = 0; g < 2; ++g) {
      const double* one = &expected[g * (kQ + kQ * kQ)];
      const double* two = &moments[g * (2 * kQ + kQ * kQ)];
      for (std::size_t i = 0; i < kQ; ++i) {
        EXPECT_NEAR(two[i], one[i], 1e-9);
        EXPECT_NEAR(two[kQ + i] - h.mean, -2 * (one[i] - h.mean), 1e-9);
      }
      for (std::size_t i = 0; i < kQ * kQ; ++i) EXPECT_NEAR(two[2 * kQ + i], one[kQ + i], 1e-9);
    }
    const auto weight = points(moments.size(), 5);
    const auto value = [&](const std::vector<double>& at) {
      shared.evaluate(at, kQ, moments);
      return std::inner_product(moments.begin(), moments.end(), weight.begin(), 0.0);
    };
    shared.evaluate_with_gradient(
        x, kQ, moments,
        [&](std::span<const double>, std::span<double> adjoint) {
          std::copy_n(weight.begin(), adjoint.size(), adjoint.begin());
        },
        dx);
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto up = x, down = x;
      up[i] += 1e-6;
      down[i] -= 1e-6;
      const double difference = (value(up) - value(down)) / 2e-6;
      EXPECT_NEAR(dx[i], difference, 1e-6 * (1 + std::abs(difference))) << i;
    }
    noise[3] = 0;
    EXPECT_THROW(SharedPosterior(*backend_, data.spec(), h, {data.columns, noise, both}), UsageError);
  }
}

TEST_F(GpJoint, DrawsHaveTheJointMoments) {
  Posterior posterior = posterior_of(sample_data(15, kColumns, 6));
  constexpr std::size_t kM = 3, kDraws = 20000;
  auto x = points(kM, 7);
  std::copy_n(x.begin(), kColumns, x.begin() + kColumns);  // the same point twice: a singular covariance
  std::vector<double> moments(kM + kM * kM);
  posterior.evaluate_joint(x, kM, moments);
  const auto draws = posterior.sample(x, kDraws, 8);
  for (std::size_t i = 0; i < kM; ++i) {
    for (std::size_t j = 0; j < kM; ++j) {
      double product = 0, sum = 0;
      for (std::size_t s = 0; s < kDraws; ++s) {
        sum += draws[s * kM + i];
        product += (draws[s * kM + i] - moments[i]) * (draws[s * kM + j] - moments[j]);
      }
      const double si = std::sqrt(moments[kM + i * (kM + 1)]), sj = std::sqrt(moments[kM + j * (kM + 1)]);
      EXPECT_NEAR(sum / kDraws, moments[i], 5 * si / std::sqrt(kDraws));
      EXPECT_NEAR(product / kDraws, moments[kM + j * kM + i], 5 * 1.5 * si * sj / std::sqrt(kDraws));
    }
  }
  EXPECT_EQ(posterior.sample(x, 5, 8), std::vector<double>(draws.begin(), draws.begin() + 5 * kM));
}

TEST_F(GpJoint, LeavingOneOutIsPredictingItByTheOthers) {
  for (const CovarianceSpec& spec : specs()) {
    GpData data = sample_data(20, kColumns, 9, 0.1);
    data.covariance = spec;
    Random random(1, 2, Purpose::candidates);
    for (std::size_t i = 0; i < data.n; ++i) data.noise.push_back(0.05 * random.uniform());
    Posterior all = posterior_of(data);
    const auto left = all.leave_one_out();
    double density = 0;
    for (std::size_t i = 0; i < data.n; ++i) {
      Posterior rest(*backend_, data, all.hyperparameters(), all.transform());
      rest.remove(i);
      EXPECT_EQ(rest.size(), data.n - 1);
      std::vector<double> mean(1), variance(1);
      rest.evaluate(std::span(data.columns).subspan(i * kColumns, kColumns), mean, variance);
      const double noise = std::exp(all.hyperparameters().log_noise_variance) +
                           all.transform().forward_variance(data.noise[i]);
      EXPECT_NEAR(left.mean[i], mean[0], 1e-8);
      EXPECT_NEAR(left.variance[i], variance[0] + noise, 1e-8);
      const double miss = all.targets()[i] - left.mean[i];
      density -= 0.5 * (std::log(2 * M_PI * left.variance[i]) + miss * miss / left.variance[i]);
    }
    EXPECT_NEAR(left.log_predictive_density, density, 1e-10 * std::abs(density) + 1e-10);
  }
}

TEST_F(GpJoint, PointsComeAndGo) {
  const GpData data = sample_data(30, kColumns, 10);
  GpData part = data;
  part.n = 20;
  part.columns.resize(20 * kColumns);
  part.y.resize(20);
  Posterior whole = posterior_of(data);
  Posterior grown(*backend_, part, whole.hyperparameters(), whole.transform());
  grown.condition_on(points(3, 1));
  grown.append(std::span(data.columns).subspan(20 * kColumns), std::span(data.y).subspan(20));
  const auto x = points(8, 11);
  std::vector<double> mean(8), variance(8), expected_mean(8), expected_variance(8);
  const auto expect_same = [&] {
    grown.evaluate(x, mean, variance);
    whole.evaluate(x, expected_mean, expected_variance);
    for (std::size_t j = 0; j < 8; ++j) {
      EXPECT_NEAR(mean[j], expected_mean[j], 1e-8);
      EXPECT_NEAR(variance[j], expected_variance[j], 1e-8);
    }
  };
  expect_same();
  const double best = grown.best_target();
  const auto index = static_cast<std::size_t>(
      std::min_element(grown.targets().begin(), grown.targets().end()) - grown.targets().begin());
  grown.condition_on(points(2, 12));
  grown.remove(index);
  EXPECT_EQ(grown.pending(), 0u);
  EXPECT_GT(grown.best_target(), best);
  EXPECT_THROW(grown.remove(29), UsageError);
  grown.append(std::span(data.columns).subspan(index * kColumns, kColumns),
               std::span(data.y).subspan(index, 1));
  EXPECT_EQ(grown.best_target(), best);
  expect_same();
}

TEST_F(GpJoint, PathsHaveThePosteriorsMoments) {
  for (const CovarianceSpec& spec : specs()) {
    GpData data = sample_data(12, kColumns, 13, 0.1);
    data.covariance = spec;
    Posterior posterior = posterior_of(data);
    constexpr std::size_t kM = 4, kSamples = 2000, kWaves = 1024;
    const auto x = points(kM, 14);
    SamplePaths paths(posterior, kSamples, 15, kWaves);
    EXPECT_EQ(paths.samples(), kSamples);
    std::vector<double> draws(kM * kSamples), moments(kM + kM * kM);
    paths.evaluate(x, draws);
    posterior.evaluate_joint(x, kM, moments);
    for (std::size_t i = 0; i < kM; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0, product = 0;
        for (std::size_t s = 0; s < kSamples; ++s) {
          sum += draws[i * kSamples + s];
          product += (draws[i * kSamples + s] - moments[i]) * (draws[j * kSamples + s] - moments[j]);
        }
        const double si = std::sqrt(moments[kM + i * (kM + 1)]), sj = std::sqrt(moments[kM + j * (kM + 1)]);
        EXPECT_NEAR(sum / kSamples, moments[i], 5 * si / std::sqrt(kSamples));
        // Sampling error, and what so many waves miss of the prior's covariance.
        EXPECT_NEAR(product / kSamples, moments[kM + j * kM + i],
                    5 * 1.5 * si * sj / std::sqrt(kSamples) + 5.0 / std::sqrt(kWaves) * si * sj);
      }
    }
    std::vector<double> again(kM * kSamples);
    SamplePaths(posterior, kSamples, 15, kWaves).evaluate(x, again);
    EXPECT_EQ(again, draws);
  }
}

TEST_F(GpJoint, PathsOfAProductWithALinearFactorAreRefused) {
  GpData data = sample_data(10, kColumns, 16);
  using enum CovarianceKind;
  data.covariance = {{{matern52, {0, 1}, {0, 1}, {}, 0}, {linear, {2}, {2}, {}, 0}}};
  Posterior posterior = posterior_of(data);
  EXPECT_THROW(SamplePaths(posterior, 1, 1), UsageError);
}

TEST_F(GpJoint, FitFindsWhatTheCovarianceIsFor) {
  // A wave of period 0.2 on a slope: the sum of a periodic and a linear term foretells it beyond the data.
  GpData data;
  data.groups = {0};
  data.n = 40;
  const auto truth = [](double x) { return std::sin(2 * M_PI * x / 0.2) + 3 * x; };
  for (std::size_t i = 0; i < data.n; ++i) {
    const double x = 0.6 * static_cast<double>(i) / 40;
    data.columns.push_back(x);
    data.y.push_back(truth(x));
  }
  using enum CovarianceKind;
  data.covariance = {{{periodic, {0}, {0}, {0}, 0}, {linear, {0}, {1}, {}, 1}}};
  FitOptions options;
  options.starts = 8;
  // The likelihood has a peak at every part of the period: somebody knows about how long it is.
  options.priors = Priors::for_groups(2);
  options.priors->period = {std::log(0.25), 0.3, -4, 4};
  const FitResult result = fit(*backend_, data, options);
  ASSERT_EQ(result.status, FitStatus::ok) << result.note;
  EXPECT_NEAR(std::exp(result.hyperparameters.log_period[0]), 0.2, 0.01);
  Posterior posterior(*backend_, data, result.hyperparameters, result.transform);
  const std::vector<double> x = {0.83, 0.95};
  std::vector<double> mean(2), variance(2);
  posterior.evaluate(x, mean, variance);
  for (std::size_t j = 0; j < 2; ++j) EXPECT_NEAR(result.transform.inverse(mean[j]), truth(x[j]), 0.15);
}

}  // namespace
}  // namespace krigon
