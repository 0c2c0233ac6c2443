#include "model/vecchia.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "gp_samples.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"
#include "model/vecchia_likelihood.hpp"
#include "model/vecchia_neighbours.hpp"

namespace krigon {
namespace {

using testing::HasSubstr;

std::vector<double> model_units(const GpData& data, const OutputTransform& transform) {
  std::vector<double> z;
  for (const double y : data.y) z.push_back(transform.forward(y));
  return z;
}

Hyperparameters some(const GpData& data) {
  Hyperparameters h;
  for (std::size_t g = 0; g < data.group_count(); ++g)
    h.log_lengthscale.push_back(-0.4 + 0.3 * static_cast<double>(g));
  h.log_signal_variance = {0.3};
  h.log_noise_variance = -4;
  h.mean = 0.2;
  return h;
}

std::vector<double> random_points(std::size_t m, std::size_t columns, std::uint64_t seed) {
  Random random(seed, m, Purpose::candidates);
  std::vector<double> x(m * columns);
  for (double& v : x) v = random.uniform();
  return x;
}

CovarianceSpec spec_of(CovarianceKind kind, std::vector<std::int32_t> groups) {
  CovarianceSpec spec = CovarianceSpec::matern52(std::move(groups));
  spec.factors.front().kind = kind;
  return spec;
}

class Vecchia : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = GetParam()});
};

INSTANTIATE_TEST_SUITE_P(Simd, Vecchia, testing::ValuesIn(cpu_simd_choices()));

TEST_P(Vecchia, WithAllBeforeAsNeighboursTheLikelihoodIsTheExactOne) {
  for (const auto kind : {CovarianceKind::matern52, CovarianceKind::matern32, CovarianceKind::rbf}) {
    for (const std::size_t n : {1, 2, 3, 30, 61}) {
      GpData data = sample_data(n, 3, 4 + n);
      data.groups = {0, 1, 0};
      data.covariance = spec_of(kind, data.groups);
      data.noise.assign(n, 0.0);
      for (std::size_t i = 0; i < n; ++i) data.noise[i] = 0.01 * static_cast<double>(i % 3);
      const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
      const Hyperparameters h = some(data);
      const auto z = model_units(data, transform);
      Priors flat = Priors::for_groups(2);
      detail::NegativeLogPosterior exact(*backend_, data, z, detail::model_noise(data, transform), flat);
      std::vector<double> value(1);
      std::vector<double> gradient(exact.dimension());
      const auto theta = detail::pack(h);
      exact(theta, value, gradient);
      double prior = 0;
      std::vector<double> prior_gradient(exact.dimension(), 0.0);
      detail::add_negative_log_prior(flat, data.layout(), theta, prior, prior_gradient);

      const auto density = vecchia_density(*backend_, data, h, transform,
                                           {.neighbours = static_cast<int>(std::max<std::size_t>(n, 2) - 1)});
      EXPECT_NEAR(density.log_density, prior - value[0], 1e-8 * (1 + std::abs(value[0])));
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        EXPECT_NEAR(density.gradient[i], prior_gradient[i] - gradient[i], 1e-8 * (1 + std::abs(gradient[i])))
            << "n " << n << ", parameter " << i;
      }
    }
  }
}

TEST_P(Vecchia, WithAllPointsAsNeighboursThePosteriorIsTheExactOne) {
  for (const auto kind : {CovarianceKind::matern52, CovarianceKind::matern32, CovarianceKind::rbf}) {
    for (const std::size_t n : {0, 1, 2, 50}) {
      GpData data = sample_data(n, 3, 9);
      data.groups = {0, 1, 0};
      data.covariance = spec_of(kind, data.groups);
      const Hyperparameters h = some(data);
      const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
      Posterior exact(*backend_, data, h, transform);
      for (const std::size_t anchors : {0, 1, 20, 50}) {
        VecchiaPosterior approximate(*backend_, data, h, transform,
                                     {.prediction_neighbours = 60, .anchors = anchors});
        EXPECT_EQ(approximate.status(), FitStatus::ok);
        EXPECT_EQ(approximate.best_target(), exact.best_target());
        const std::size_t m = 13;
        const auto x = random_points(m, 3, 5);
        std::vector<double> mean(m), variance(m), dx(3 * m), mean2(m), variance2(m), dx2(3 * m);
        const auto adjoint = [](std::size_t, std::span<const double>, std::span<const double>,
                                std::span<double> d_mean, std::span<double> d_variance) {
          for (std::size_t j = 0; j < d_mean.size(); ++j) {
            d_mean[j] = 1.5 - 0.1 * static_cast<double>(j);
            d_variance[j] = -0.7 + 0.2 * static_cast<double>(j);
          }
        };
        exact.evaluate_with_gradient(x, mean, variance, adjoint, dx);
        approximate.evaluate_with_gradient(x, mean2, variance2, adjoint, dx2);
        for (std::size_t j = 0; j < m; ++j) {
          EXPECT_NEAR(mean[j], mean2[j], 1e-8) << j;
          EXPECT_NEAR(variance[j], variance2[j], 1e-8) << j;
        }
        for (std::size_t i = 0; i < dx.size(); ++i)
          EXPECT_NEAR(dx[i], dx2[i], 1e-8 * (1 + std::abs(dx[i]))) << i;
        approximate.evaluate(x, mean, variance);
        EXPECT_EQ(mean, mean2);
        EXPECT_EQ(variance, variance2);
      }
    }
  }
}

TEST_P(Vecchia, LikelihoodsGradientMatchesDifferences) {
  GpData data = sample_data(90, 4, 3);
  data.groups = {0, 1, 1, 2};
  const auto z = model_units(data, OutputTransform::of(data.y, OutputScaling::standardise));
  detail::Pool pool(2);
  const Priors priors = Priors::for_groups(3);
  detail::VecchiaLikelihood objective(pool, detail::vecchia_tiles(*backend_), data, z, {}, &priors);
  const std::vector<double> at = {-0.3, 0.2, 0.6, 0.4, -4.0, 0.3};
  for (const std::size_t terms : {std::size_t{90}, std::size_t{37}}) {
    objective.condition(at, 10, terms, 1);
    double value = 0;
    std::vector<double> gradient(at.size()), ignored(at.size());
    objective(at, value, gradient);
    for (std::size_t i = 0; i < at.size(); ++i) {
      constexpr double kStep = 1e-5;
      double up = 0;
      double down = 0;
      std::vector<double> moved = at;
      moved[i] += kStep;
      objective(moved, up, ignored);
      moved[i] -= 2 * kStep;
      objective(moved, down, ignored);
      EXPECT_NEAR(gradient[i], (up - down) / (2 * kStep), 1e-6 * (1 + std::abs(gradient[i]))) << i;
    }
  }
}

TEST_P(Vecchia, PosteriorsGradientMatchesDifferences) {
  const GpData data = sample_data(400, 3, 8);
  const Hyperparameters h = some(data);
  for (const std::size_t anchors : {0, 40}) {
    VecchiaPosterior posterior(*backend_, data, h, OutputTransform::of(data.y, OutputScaling::standardise),
                               {.prediction_neighbours = 20, .anchors = anchors});
    const std::size_t m = 9;
    const auto x = random_points(m, 3, 6);
    std::vector<double> mean(m), variance(m), dx(3 * m);
    for (const bool of_mean : {true, false}) {
      posterior.evaluate_with_gradient(
          x, mean, variance,
          [&](std::size_t, auto, auto, std::span<double> d_mean, std::span<double> d_variance) {
            std::fill(d_mean.begin(), d_mean.end(), of_mean ? 1.0 : 0.0);
            std::fill(d_variance.begin(), d_variance.end(), of_mean ? 0.0 : 1.0);
          },
          dx);
      for (std::size_t i = 0; i < dx.size(); ++i) {
        // So small that the neighbours stay the same.
        constexpr double kStep = 1e-7;
        std::vector<double> up = x, down = x, mean_up(m), mean_down(m), variance_up(m), variance_down(m);
        up[i] += kStep;
        down[i] -= kStep;
        posterior.evaluate(up, mean_up, variance_up);
        posterior.evaluate(down, mean_down, variance_down);
        const std::size_t j = i / 3;
        const double difference = of_mean ? mean_up[j] - mean_down[j] : variance_up[j] - variance_down[j];
        EXPECT_NEAR(dx[i], difference / (2 * kStep), 1e-5 * (1 + std::abs(dx[i]))) << i;
      }
    }
  }
}

TEST_P(Vecchia, FindsTheNearest) {
  detail::Pool pool(2);
  const std::size_t n = 2100;  // more than two chunks
  const std::size_t dims = 3;
  const std::size_t k = 9;
  auto x = random_points(n, dims, 2);
  for (std::size_t d = 0; d < dims; ++d) x[100 * dims + d] = x[7 * dims + d] = x[50 * dims + d];
  const auto z = random_points(70, dims, 3);
  const detail::NearestPoints nearest(detail::vecchia_tiles(*backend_), x, dims);
  const auto square = [&](const double* a, const double* b) {
    double sum = 0;
    for (std::size_t d = 0; d < dims; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
  };
  const auto expect = [&](const double* query, std::size_t limit, std::span<const std::int32_t> found) {
    std::vector<double> all;
    for (std::size_t i = 0; i < limit; ++i) all.push_back(square(&x[i * dims], query));
    std::sort(all.begin(), all.end());
    std::vector<std::int32_t> seen;
    for (std::size_t r = 0; r < k; ++r) {
      if (r >= limit) {
        EXPECT_EQ(found[r], -1);
        continue;
      }
      ASSERT_GE(found[r], 0);
      ASSERT_LT(found[r], static_cast<std::int32_t>(limit));
      EXPECT_NEAR(square(&x[static_cast<std::size_t>(found[r]) * dims], query), all[r], 1e-6);
      seen.push_back(found[r]);
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
  };
  std::vector<std::int32_t> found(70 * k);
  nearest.find(pool, z, k, found);
  for (std::size_t j = 0; j < 70; ++j) expect(&z[j * dims], n, std::span(found).subspan(j * k, k));
  std::vector<std::int32_t> which(n);
  std::iota(which.begin(), which.end(), 0);
  found.resize(n * k);
  nearest.find_before(pool, which, k, found);
  for (std::size_t j = 0; j < n; j += j < 20 ? 1 : 97) {
    expect(&x[j * dims], j, std::span(found).subspan(j * k, k));
  }
  // Equal points: the lower index first.
  nearest.find(pool, std::span(x).subspan(50 * dims, dims), 3, std::span(found).first(3));
  EXPECT_THAT(std::span(found).first(3), testing::ElementsAre(7, 50, 100));
}

TEST(VecchiaOrder, IsAPermutationThatSpreadsFirst) {
  detail::Pool pool(2);
  const std::size_t n = 9000;
  const auto x = random_points(n, 2, 1);
  const auto order = detail::vecchia_order(pool, x, 2, 5);
  std::vector<std::int32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int32_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  // Each of the first is the farthest from those before.
  const auto gap = [&](std::size_t i, std::size_t before) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < before; ++j) {
      const auto b = static_cast<std::size_t>(order[j]);
      least = std::min(least, std::hypot(x[2 * i] - x[2 * b], x[2 * i + 1] - x[2 * b + 1]));
    }
    return least;
  };
  for (const std::size_t position : {1, 2, 17}) {
    double most = 0;
    for (std::size_t i = 0; i < n; ++i) most = std::max(most, gap(i, position));
    EXPECT_NEAR(gap(static_cast<std::size_t>(order[position]), position), most, 1e-5);
  }
  detail::Pool single(1);
  EXPECT_EQ(order, detail::vecchia_order(single, x, 2, 5));
  EXPECT_NE(order, detail::vecchia_order(single, x, 2, 6));
}

TEST(VecchiaFit, SameBitsOnOneAndThreeThreads) {
  const GpData data = sample_data(700, 3, 12);
  std::vector<FitResult> results;
  std::vector<std::vector<double>> predictions;
  for (const int threads : {1, 3}) {
    const auto backend = make_cpu_backend({.threads = threads, .simd = ""});
    const VecchiaOptions options{
        .neighbours = 15, .prediction_neighbours = 31, .anchors = 70, .subset = 150, .sample = 300};
    results.push_back(fit_vecchia(*backend, data, {.starts = 2}, options));
    VecchiaPosterior posterior(*backend, data, results.back().hyperparameters, results.back().transform,
                               options);
    const auto x = random_points(41, 3, 1);
    std::vector<double> mean(41), variance(41);
    posterior.evaluate(x, mean, variance);
    mean.insert(mean.end(), variance.begin(), variance.end());
    predictions.push_back(mean);
  }
  EXPECT_EQ(results[0].hyperparameters, results[1].hyperparameters);
  EXPECT_EQ(results[0].log_posterior, results[1].log_posterior);
  EXPECT_EQ(results[0].evaluations, results[1].evaluations);
  EXPECT_EQ(predictions[0], predictions[1]);
}

class VecchiaModel : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = ""});
};

TEST_F(VecchiaModel, FitComesNearTheExactOne) {
  const GpData data = sample_data(600, 4, 21, 0.05);
  const FitResult exact = fit(*backend_, data, {});
  const FitResult approximate = fit_vecchia(*backend_, data, {}, {.subset = 300, .sample = 300});
  ASSERT_EQ(approximate.status, FitStatus::ok) << approximate.note;
  // Judged by the exact posterior.
  FitOptions as_is;
  as_is.optimise = false;
  as_is.warm_start = approximate.hyperparameters;
  const FitResult judged = fit(*backend_, data, as_is);
  EXPECT_GT(judged.log_posterior, exact.log_posterior - 30);

  // Held-out log predictive density, against the exact process.
  const GpData held = sample_data(301, 4, 22, 0.05);
  Posterior truth(*backend_, data, exact.hyperparameters, exact.transform);
  VecchiaPosterior posterior(*backend_, data, approximate.hyperparameters, approximate.transform,
                             {.anchors = 200});
  double loss[2] = {0, 0};
  for (int which = 0; which < 2; ++which) {
    std::vector<double> mean(held.n), variance(held.n);
    const FitResult& result = which == 0 ? exact : approximate;
    if (which == 0) {
      truth.evaluate(held.columns, mean, variance);
    } else {
      posterior.evaluate(held.columns, mean, variance);
    }
    for (std::size_t i = 0; i < held.n; ++i) {
      const double v = variance[i] + std::exp(result.hyperparameters.log_noise_variance);
      const double error = result.transform.forward(held.y[i]) - mean[i];
      loss[which] += 0.5 * (std::log(v) + error * error / v) / static_cast<double>(held.n);
    }
  }
  EXPECT_NEAR(loss[1], loss[0], 0.05);
}

TEST_F(VecchiaModel, SmallAndDegenerateDataAreFine) {
  for (const std::size_t n : {0, 1, 2, 5}) {
    const GpData data = sample_data(n, 2, 1);
    const FitResult result = fit_vecchia(*backend_, data, {});
    EXPECT_NE(result.status, FitStatus::failed) << n << ": " << result.note;
    VecchiaPosterior posterior(*backend_, data, result.hyperparameters, result.transform);
    std::vector<double> mean(1), variance(1);
    posterior.evaluate(std::vector<double>{0.5, 0.5}, mean, variance);
    EXPECT_TRUE(std::isfinite(mean[0]));
    EXPECT_GT(variance[0], 0);
    posterior.evaluate({}, {}, {});
  }
  GpData constant = sample_data(60, 2, 2);
  std::fill(constant.y.begin(), constant.y.end(), 3.0);
  EXPECT_NE(fit_vecchia(*backend_, constant, {}).status, FitStatus::failed);

  GpData twins = sample_data(80, 2, 3);
  for (std::size_t i = 2; i < twins.columns.size(); ++i) twins.columns[i] = twins.columns[i % 2];
  const FitResult result = fit_vecchia(*backend_, twins, {}, {.subset = 20, .sample = 40});
  EXPECT_NE(result.status, FitStatus::failed) << result.note;
  Hyperparameters noiseless = result.hyperparameters;
  noiseless.log_noise_variance = -60;
  VecchiaPosterior posterior(*backend_, twins, noiseless, result.transform);
  std::vector<double> mean(2), variance(2), dx(4);
  posterior.evaluate_with_gradient(
      std::vector<double>{twins.columns[0], twins.columns[1], 0.9, 0.1}, mean, variance,
      [](std::size_t, auto, auto, std::span<double> d_mean, std::span<double>) {
        std::fill(d_mean.begin(), d_mean.end(), 1.0);
      },
      dx);
  for (const auto& values : {mean, variance, dx}) {
    EXPECT_THAT(values, testing::Each(testing::Truly([](double v) { return std::isfinite(v); })));
  }
  EXPECT_GT(variance[0], 0);
}

TEST_F(VecchiaModel, NumericalTroubleIsAValue) {
  GpData data = sample_data(50, 2, 4);
  data.y[7] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(fit_vecchia(*backend_, data, {}).status, FitStatus::failed);
  data.y[7] = 1e300;
  EXPECT_NE(fit_vecchia(*backend_, data, {}).status, FitStatus::failed);
  data.y[7] = 0;

  const Hyperparameters h = some(data);
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
  VecchiaPosterior posterior(*backend_, data, h, transform);
  // One bad candidate among good ones changes nothing for them.
  auto x = random_points(9, 2, 7);
  std::vector<double> mean(9), variance(9), mean2(9), variance2(9);
  posterior.evaluate(x, mean, variance);
  x[5] = std::numeric_limits<double>::quiet_NaN();
  posterior.evaluate(x, mean2, variance2);
  for (std::size_t j = 0; j < 9; ++j) {
    if (j == 2) {
      EXPECT_TRUE(std::isnan(mean2[j]));
    } else {
      EXPECT_EQ(mean[j], mean2[j]);
      EXPECT_EQ(variance[j], variance2[j]);
    }
  }
  EXPECT_EQ(posterior.fallbacks(), 1U);

  data.columns[3] = std::numeric_limits<double>::infinity();
  VecchiaPosterior bad(*backend_, data, h, transform);
  EXPECT_EQ(bad.status(), FitStatus::failed);
  EXPECT_THAT(bad.note(), HasSubstr("not finite"));
  std::vector<double> one(1), two(1);
  bad.evaluate(std::vector<double>{0.1, 0.2}, one, two);
  EXPECT_EQ(one[0], h.mean);
  EXPECT_DOUBLE_EQ(two[0], std::exp(h.log_signal_variance[0]));
}

TEST_F(VecchiaModel, PendingPointsShrinkTheVarianceAndGoAgain) {
  const GpData data = sample_data(300, 2, 6);
  for (const std::size_t anchors : {0, 30}) {
    VecchiaPosterior posterior(*backend_, data, some(data),
                               OutputTransform::of(data.y, OutputScaling::standardise),
                               {.prediction_neighbours = 15, .anchors = anchors});
    const std::vector<double> x = {0.31, 0.64};
    std::vector<double> mean(1), variance(1), mean2(1), variance2(1);
    posterior.evaluate(x, mean, variance);
    posterior.condition_on(x);
    EXPECT_EQ(posterior.pending(), 1U);
    EXPECT_EQ(posterior.targets().back(), mean[0]);
    posterior.evaluate(x, mean2, variance2);
    EXPECT_LT(variance2[0], variance[0]);
    EXPECT_NEAR(mean2[0], mean[0], 3 * std::sqrt(variance[0]));
    posterior.forget_pending();
    posterior.evaluate(x, mean2, variance2);
    EXPECT_EQ(mean, mean2);
    EXPECT_EQ(variance, variance2);
  }
}

TEST_F(VecchiaModel, RefusesOtherCovariancesInWords) {
  GpData data = sample_data(20, 2, 6);
  data.covariance = spec_of(CovarianceKind::linear, data.groups);
  const auto message = [&] {
    try {
      fit_vecchia(*backend_, data, {});
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(), HasSubstr("matern52, matern32 or rbf"));
  data.covariance.factors.push_back(spec_of(CovarianceKind::rbf, data.groups).factors.front());
  EXPECT_THAT(message(), HasSubstr("2 factors"));
  EXPECT_THROW(VecchiaPosterior(*backend_, data, some(data), {}), UsageError);
  data.covariance = {};
  EXPECT_THROW(fit_vecchia(*backend_, data, {}, {.neighbours = 0}), UsageError);
  data.y.pop_back();
  EXPECT_THROW(fit_vecchia(*backend_, data, {}), UsageError);
}

}  // namespace
}  // namespace krigon
