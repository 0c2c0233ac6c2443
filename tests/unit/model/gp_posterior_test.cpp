#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "gp_samples.hpp"
#include "kernels/normal.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"

namespace krigon {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

std::vector<double> random_points(std::size_t count, std::size_t columns, std::uint64_t seed) {
  Random random(seed, 77, Purpose::candidates);
  std::vector<double> x(count * columns);
  for (double& value : x) value = random.uniform();
  return x;
}

class GpPosterior : public testing::Test {
 protected:
  Posterior prepared(const GpData& data, const Hyperparameters& h) {
    return {*backend_, data, h, OutputTransform::of(data.y, OutputScaling::standardise)};
  }

  struct Moments {
    std::vector<double> mean;
    std::vector<double> variance;
  };
  static Moments at(Posterior& posterior, const std::vector<double>& x) {
    const std::size_t m = x.size() / posterior.column_count();
    Moments moments{std::vector<double>(m), std::vector<double>(m)};
    posterior.evaluate(x, moments.mean, moments.variance);
    return moments;
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = ""});
  Hyperparameters h3_{{-0.5, 0.1, 0.4}, {0.2}, -5.0, 0.1};
};

TEST_F(GpPosterior, InterpolatesWhereThereIsNoNoise) {
  const GpData data = sample_data(20, 2, 1, 0);
  Posterior posterior = prepared(data, {{-0.5, -0.5}, {0.0}, std::log(1e-12), 0.0});
  const Moments m = at(posterior, data.columns);
  for (std::size_t i = 0; i < data.n; ++i) {
    EXPECT_NEAR(m.mean[i], posterior.targets()[i], 1e-6);
    EXPECT_GT(m.variance[i], 0);
    EXPECT_LT(m.variance[i], 1e-8);
  }
}

TEST_F(GpPosterior, FarFromTheDataItIsThePrior) {
  const GpData data = sample_data(20, 1, 2);
  Posterior posterior = prepared(data, {{std::log(0.01)}, {0.7}, -3.0, 0.25});
  const Moments m = at(posterior, {1e3});
  EXPECT_DOUBLE_EQ(m.mean[0], 0.25);
  EXPECT_DOUBLE_EQ(m.variance[0], std::exp(0.7));
}

TEST_F(GpPosterior, LogEiGradientMatchesDifferences) {
  const GpData data = sample_data(150, 3, 3);
  Posterior posterior = prepared(data, h3_);
  const double best = posterior.best_target();
  const auto adjoint = [&](std::size_t, std::span<const double> mean, std::span<const double> variance,
                           std::span<double> d_mean, std::span<double> d_variance) {
    for (std::size_t j = 0; j < mean.size(); ++j) {
      const LogEi e = log_expected_improvement(mean[j], variance[j], best);
      d_mean[j] = e.d_mean;
      d_variance[j] = e.d_variance;
    }
  };
  const std::vector<double> x = random_points(23, 3, 4);
  std::vector<double> mean(23), variance(23), dx(x.size());
  posterior.evaluate_with_gradient(x, mean, variance, adjoint, dx);
  const auto value = [&](std::vector<double> point) {
    const Moments m = at(posterior, point);
    return log_expected_improvement(m.mean[0], m.variance[0], best).value;
  };
  for (std::size_t j = 0; j < 23; ++j) {
    for (std::size_t k = 0; k < 3; ++k) {
      constexpr double kStep = 1e-6;
      std::vector<double> up(&x[j * 3], &x[j * 3] + 3);
      std::vector<double> down = up;
      up[k] += kStep;
      down[k] -= kStep;
      const double difference = (value(up) - value(down)) / (2 * kStep);
      EXPECT_NEAR(dx[j * 3 + k], difference, 1e-5 * (1 + std::abs(difference))) << j << " " << k;
    }
  }
}

TEST_F(GpPosterior, ManyCandidatesHaveTheGradientsThatEachHasAlone) {
  const GpData data = sample_data(60, 3, 3);
  Posterior posterior = prepared(data, h3_);
  constexpr std::size_t kMany = 701;  // several of the backend's blocks, and a part of one
  const std::vector<double> x = random_points(kMany, 3, 4);
  std::vector<double> mean(kMany), variance(kMany), dx(x.size());
  std::size_t next = 0, calls = 0;
  const auto adjoint = [&](std::size_t first, std::span<const double> m, std::span<const double> v,
                           std::span<double> d_mean, std::span<double> d_variance) {
    ++calls;
    EXPECT_EQ(first, next);
    EXPECT_EQ(m.data(), mean.data() + first);
    EXPECT_EQ(v.data(), variance.data() + first);
    for (std::size_t j = 0; j < m.size(); ++j) {
      d_mean[j] = static_cast<double>(first + j + 1);
      d_variance[j] = -1;
    }
    next = first + m.size();
  };
  posterior.evaluate_with_gradient(x, mean, variance, adjoint, dx);
  EXPECT_EQ(next, kMany);
  EXPECT_GT(calls, 1U);
  for (std::size_t j = 0; j < kMany; j += 50) {
    std::vector<double> alone(3), m(1), v(1);
    posterior.evaluate_with_gradient(
        std::span(x).subspan(3 * j, 3), m, v,
        [&](std::size_t, auto, auto, std::span<double> d_mean, std::span<double> d_variance) {
          d_mean[0] = static_cast<double>(j + 1);
          d_variance[0] = -1;
        },
        alone);
    EXPECT_EQ(m[0], mean[j]);
    EXPECT_EQ(v[0], variance[j]);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(alone[k], dx[3 * j + k]) << j << " " << k;
  }
}

TEST_F(GpPosterior, ACandidateAloneHasTheSameBitsAsAmongOthers) {
  const GpData data = sample_data(333, 3, 5);
  Posterior posterior = prepared(data, h3_);
  const std::vector<double> x = random_points(97, 3, 6);
  const Moments together = at(posterior, x);
  for (std::size_t j = 0; j < 97; j += 8) {
    const Moments alone = at(posterior, {x.begin() + static_cast<std::ptrdiff_t>(3 * j),
                                         x.begin() + static_cast<std::ptrdiff_t>(3 * j + 3)});
    EXPECT_EQ(alone.mean[0], together.mean[j]);
    EXPECT_EQ(alone.variance[0], together.variance[j]);
  }
}

TEST_F(GpPosterior, ConditioningEqualsFittingWithTheBelievedValues) {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{30}, std::size_t{170}}) {
    const GpData data = sample_data(n, 3, 7);
    Posterior posterior = prepared(data, h3_);
    const std::vector<double> x = random_points(40, 3, 8);
    const Moments before = at(posterior, x);
    const std::vector<double> pending = random_points(37, 3, 9);
    posterior.condition_on(pending);
    EXPECT_EQ(posterior.pending(), 37u);
    const Moments after = at(posterior, x);
    // The mean stays, the variance does not grow.
    EXPECT_THAT(after.mean, Pointwise(DoubleNear(1e-10), before.mean));
    for (std::size_t j = 0; j < 40; ++j) EXPECT_LE(after.variance[j], before.variance[j] + 1e-12);

    GpData all = data;
    all.n += 37;
    all.columns.insert(all.columns.end(), pending.begin(), pending.end());
    for (std::size_t j = n; j < n + 37; ++j) {
      all.y.push_back(posterior.transform().inverse(posterior.targets()[j]));
    }
    Posterior scratch(*backend_, all, h3_, posterior.transform());
    const Moments expected = at(scratch, x);
    EXPECT_THAT(after.mean, Pointwise(DoubleNear(1e-9), expected.mean));
    EXPECT_THAT(after.variance, Pointwise(DoubleNear(1e-9), expected.variance));

    posterior.forget_pending();
    EXPECT_EQ(posterior.size(), n);
    const Moments again = at(posterior, x);
    EXPECT_EQ(again.mean, before.mean);
    EXPECT_EQ(again.variance, before.variance);
  }
}

TEST_F(GpPosterior, AppendingEqualsFittingFromScratch) {
  const GpData data = sample_data(150, 3, 10);
  GpData first = data;
  first.n = 60;
  first.columns.resize(60 * 3);
  first.y.resize(60);
  Posterior posterior(*backend_, first, h3_, OutputTransform{});
  posterior.condition_on(random_points(5, 3, 11));
  const auto rest = [&](std::size_t from, std::size_t to) {
    posterior.append(std::span(data.columns).subspan(from * 3, (to - from) * 3),
                     std::span(data.y).subspan(from, to - from));
  };
  rest(60, 61);
  rest(61, 150);
  EXPECT_EQ(posterior.pending(), 0u);
  Posterior scratch(*backend_, data, h3_, OutputTransform{});
  const std::vector<double> x = random_points(30, 3, 12);
  const Moments found = at(posterior, x);
  const Moments expected = at(scratch, x);
  EXPECT_THAT(found.mean, Pointwise(DoubleNear(1e-10), expected.mean));
  EXPECT_THAT(found.variance, Pointwise(DoubleNear(1e-10), expected.variance));
  EXPECT_EQ(posterior.best_target(), scratch.best_target());
}

TEST_F(GpPosterior, ConditioningOnOnePlaceOverAndOverStaysSound) {
  const GpData data = sample_data(10, 1, 13, 0);
  Posterior posterior = prepared(data, {{-1.0}, {0.0}, std::log(1e-12), 0.0});
  for (int i = 0; i < 60; ++i) posterior.condition_on(std::vector<double>{0.37});
  const Moments m = at(posterior, {0.37, 0.9});
  EXPECT_TRUE(std::isfinite(m.mean[0]) && std::isfinite(m.mean[1]));
  EXPECT_GT(m.variance[0], 0);
  EXPECT_LT(m.variance[0], 1e-8);
}

TEST_F(GpPosterior, OfNothingIsThePrior) {
  GpData data;
  data.groups = {0, 1};
  Posterior posterior = prepared(data, {{0, 0}, {0.5}, -3.0, 0.75});
  EXPECT_EQ(posterior.status(), FitStatus::ok);
  EXPECT_TRUE(std::isinf(posterior.best_target()));
  std::vector<double> mean(1), variance(1), dx(2, 9.0);
  posterior.evaluate_with_gradient(
      std::vector<double>{0.1, 0.2}, mean, variance,
      [](std::size_t, auto, auto, std::span<double> dm, std::span<double> dv) { dm[0] = dv[0] = 1; }, dx);
  EXPECT_DOUBLE_EQ(mean[0], 0.75);
  EXPECT_DOUBLE_EQ(variance[0], std::exp(0.5));
  EXPECT_THAT(dx, testing::Each(0.0));
  posterior.evaluate({}, {}, {});
}

TEST_F(GpPosterior, OfWhatIsNotFiniteIsThePriorAndSaysSo) {
  GpData data = sample_data(10, 2, 14);
  data.columns[3] = std::numeric_limits<double>::quiet_NaN();
  Posterior posterior = prepared(data, {{0, 0}, {0.5}, -3.0, 0.75});
  EXPECT_EQ(posterior.status(), FitStatus::failed);
  EXPECT_THAT(posterior.note(), testing::HasSubstr("not finite"));
  const Moments m = at(posterior, {0.5, 0.5});
  EXPECT_DOUBLE_EQ(m.mean[0], 0.75);
  posterior.condition_on(std::vector<double>{0.5, 0.5});
  EXPECT_EQ(posterior.pending(), 1u);
  posterior.forget_pending();
  EXPECT_EQ(posterior.pending(), 0u);
}

TEST_F(GpPosterior, MisfitShapesAreRefused) {
  const GpData data = sample_data(5, 2, 15);
  EXPECT_THROW(prepared(data, {{0}, {0}, 0, 0}), UsageError);
  Posterior posterior = prepared(data, {{0, 0}, {0}, 0, 0});
  std::vector<double> one(1);
  EXPECT_THROW(posterior.evaluate(std::vector<double>{1, 2, 3}, one, one), UsageError);
  EXPECT_THROW(posterior.evaluate(std::vector<double>{1, 2, 3, 4}, one, one), UsageError);
  EXPECT_THROW(posterior.append(std::vector<double>{1, 2}, std::vector<double>{}), UsageError);
}

}  // namespace
}  // namespace krigon
