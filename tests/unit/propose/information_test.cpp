#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/acquisition/marginal.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/gibbon.hpp"
#include "propose/acquisition/knowledge_gradient.hpp"
#include "tests/unit/propose/moments.hpp"

namespace krigon {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Evaluated {
  double value;
  std::vector<double> adjoint;
};

Evaluated knowledge(const std::vector<double>& moments, double noise) {
  std::vector<double> adjoint(moments.size());
  const double value = log_knowledge_gradient(moments, noise, adjoint);
  return {value, adjoint};
}

// min_a mean_a - E[min_a (mean_a + s_a Z)] by Simpson's rule over z in [-10, 10].
double knowledge_by_integration(const std::vector<double>& moments, std::size_t n, double noise) {
  const double sigma = std::sqrt(moments[n] + noise);
  const auto smallest = [&](double z) {
    double y = kInfinity;
    for (std::size_t a = 0; a < n; ++a) y = std::min(y, moments[a] + moments[n + a] / sigma * z);
    return y;
  };
  const int steps = 200000;
  const double h = 20.0 / steps;
  double sum = 0;
  for (int i = 0; i <= steps; ++i) {
    const double z = -10 + i * h;
    const double weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * std::exp(-0.5 * z * z) * smallest(z);
  }
  return smallest(0) - sum * h / 3 / std::sqrt(2 * 3.14159265358979323846);
}

TEST(KnowledgeGradient, AgreesWithNumericalIntegration) {
  Random random(1, 1, Purpose::candidates);
  for (const std::size_t n : {2u, 3u, 8u, 30u}) {
    for (const double noise : {0.0, 0.3}) {
      const auto moments = random_moments(random, n, 0, 1);
      const double expected = knowledge_by_integration(moments, n, noise);
      EXPECT_NEAR(std::exp(knowledge(moments, noise).value), expected, 1e-8) << n << ' ' << noise;
    }
  }
}

// The same between all places where any two lines meet: the largest line in each interval, no envelope.
double knowledge_by_intervals(const std::vector<double>& moments, std::size_t n, double noise) {
  const double sigma = std::sqrt(moments[n] + noise);
  std::vector<double> ends{-40, 40};
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      const double z = (moments[b] - moments[a]) / (moments[n + a] - moments[n + b]) * sigma;
      if (std::abs(z) < 40) ends.push_back(z);
    }
  }
  std::sort(ends.begin(), ends.end());
  const auto density = [](double z) {
    return std::exp(-0.5 * z * z) / std::sqrt(2 * 3.14159265358979323846);
  };
  double sum = 0;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    const double middle = 0.5 * (ends[i] + ends[i + 1]);
    std::size_t least = 0;
    const auto line = [&](std::size_t a) { return moments[a] + moments[n + a] / sigma * middle; };
    for (std::size_t a = 1; a < n; ++a) least = line(a) < line(least) ? a : least;
    const double chance =
        0.5 * (std::erfc(-ends[i + 1] / std::sqrt(2.0)) - std::erfc(-ends[i] / std::sqrt(2.0)));
    sum += moments[least] * chance + moments[n + least] / sigma * (density(ends[i]) - density(ends[i + 1]));
  }
  return *std::min_element(moments.begin(), moments.begin() + static_cast<std::ptrdiff_t>(n)) - sum;
}

TEST(KnowledgeGradient, AgreesWithTheLargestLineOfEveryInterval) {
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Random random(5, trial, Purpose::candidates);
    const std::size_t n = 2 + random.below(20);
    const auto moments = random_moments(random, n, 0, 0.2 + random.uniform());
    EXPECT_NEAR(std::exp(knowledge(moments, 0.1).value), knowledge_by_intervals(moments, n, 0.1), 1e-13)
        << "trial " << trial << ", " << n << " places";
  }
}

TEST(KnowledgeGradient, OfTwoPlacesIsExpectedImprovement) {
  // A place that nothing is learnt about, and a noiseless observation: improvement below its mean.
  const Term ei = marginal_term(log_ei(-0.25), 0.5, 0.75);
  const Evaluated at = knowledge({0.5, -0.25, 0.75, 0, 0, 2}, 0);
  EXPECT_NEAR(at.value, ei.value, 1e-13);
  EXPECT_NEAR(at.adjoint[0], ei.d_mean, 1e-12);
  EXPECT_NEAR(at.adjoint[2], ei.d_variance, 1e-12);
  // And far below where it underflows.
  const Term far = marginal_term(log_ei(-0.25), 1000, 0.75);
  EXPECT_NEAR(knowledge({1000, -0.25, 0.75, 0, 0, 2}, 0).value, far.value, 1e-9);
}

TEST(KnowledgeGradient, AdjointsAgreeWithDifferences) {
  Random random(2, 1, Purpose::candidates);
  for (const std::size_t n : {2u, 5u, 12u}) {
    for (const double noise : {0.0, 0.2}) {
      const auto moments = random_moments(random, n, 0, 1);
      expect_adjoint([&](const std::vector<double>& m) { return knowledge(m, noise).value; }, moments,
                     knowledge(moments, noise).adjoint, n, n, 1e-6, 1e-7);
    }
  }
}

TEST(KnowledgeGradient, ExtremesAreNumbers) {
  // Nothing to learn.
  EXPECT_EQ(knowledge({0, 1, 0.5, 0.5, 0.5, 1}, 0.1).value, -kInfinity);
  EXPECT_EQ(knowledge({0, 1}, 0.1).value, -kInfinity);
  EXPECT_TRUE(std::isnan(knowledge({0, NAN, 1, 0, 0, 1}, 0).value));
  for (const double mean : {40.0, 1e8, 1e300}) {
    for (const double variance : {1e-300, 1e-20, 1.0, 1e300}) {
      const Evaluated at =
          knowledge({mean, 0, -1, variance, 0, variance / 2, 0, variance, 0, variance / 2, 0, variance}, 0);
      EXPECT_TRUE(std::isfinite(at.value)) << mean << ' ' << variance;
      for (const double d : at.adjoint) EXPECT_TRUE(std::isfinite(d)) << mean << ' ' << variance;
    }
  }
  std::vector<double> adjoint(5);
  EXPECT_THROW(log_knowledge_gradient(std::vector<double>(5), 0, adjoint), UsageError);
  EXPECT_THROW(log_knowledge_gradient(std::vector<double>(6), 0, adjoint), UsageError);
}

TEST(SmallestValueSamples, FollowTheDistributionOfTheSmallest) {
  // For independent normals the smallest's quartiles and median are met exactly.
  std::vector<double> mean(200), variance(200);
  Random random(3, 1, Purpose::candidates);
  for (double& m : mean) m = random.normal();
  for (double& v : variance) v = 0.2 + random.uniform();
  const std::array<double, 3> uniform{0.25, 0.5, 0.75};
  const auto samples = smallest_value_samples(mean, variance, uniform, kInfinity);
  std::array<double, 3> below{};
  for (int draw = 0; draw < 20000; ++draw) {
    double smallest = kInfinity;
    for (std::size_t i = 0; i < 200; ++i) {
      smallest = std::min(smallest, mean[i] + std::sqrt(variance[i]) * random.normal());
    }
    for (std::size_t k = 0; k < 3; ++k) below[k] += smallest <= samples[k] ? 1.0 / 20000 : 0;
  }
  EXPECT_NEAR(below[1], 0.5, 0.015);
  // The spread is met, the places of the quartiles to what a Gumbel distribution can.
  EXPECT_NEAR(below[0], 0.25, 0.03);
  EXPECT_NEAR(below[2], 0.75, 0.03);
}

TEST(SmallestValueSamples, AreNoLargerThanWhatIsKnown) {
  const std::vector<double> mean{0, 1e300}, variance{1, 1e-300};
  const std::array<double, 4> uniform{0.01, 0.4, 0.9, 0.999};
  for (const double y : smallest_value_samples(mean, variance, uniform, -1)) EXPECT_LE(y, -1);
  for (const double y : smallest_value_samples(mean, variance, uniform, kInfinity))
    EXPECT_TRUE(std::isfinite(y));
  EXPECT_THROW(smallest_value_samples({}, {}, uniform, 0), UsageError);
}

TEST(Gibbon, OfOnePointIsTheMarginalTerm) {
  const std::array<double, 3> samples{-1.5, -1.25, -0.9375};
  for (const double mean : {-2.0, 0.0, 3.0}) {
    std::array<double, 2> adjoint{};
    const double value = gibbon(std::array<double, 2>{mean, 0.7}, 0.1, samples, adjoint);
    const Term term = marginal_term(log_gibbon(0.1, samples.data(), 3), mean, 0.7);
    EXPECT_NEAR(value, std::exp(term.value), 1e-11);
    EXPECT_NEAR(adjoint[0], std::exp(term.value) * term.d_mean, 1e-11);
    EXPECT_NEAR(adjoint[1], std::exp(term.value) * term.d_variance, 1e-11);
  }
}

TEST(Gibbon, CountsWhatPointsShareOnce) {
  const std::array<double, 1> samples{-1.5};
  const double noise = 0.25;
  std::vector<double> adjoint(6);
  const double apart = gibbon(std::vector<double>{0, 0, 1, 0, 0, 1}, noise, samples, adjoint);
  const double close = gibbon(std::vector<double>{0, 0, 1, 0.9, 0.9, 1}, noise, samples, adjoint);
  const double r = 0.9 / 1.25;
  EXPECT_NEAR(close - apart, 0.5 * std::log(1 - r * r), 1e-11);
}

TEST(Gibbon, AdjointsAgreeWithDifferences) {
  Random random(4, 1, Purpose::candidates);
  const std::array<double, 2> samples{-1.5, -1};
  for (const std::size_t q : {1u, 2u, 6u}) {
    for (const double noise : {0.01, 0.5}) {
      const auto moments = random_moments(random, q, 0, 1);
      std::vector<double> adjoint(moments.size()), unused(moments.size());
      gibbon(moments, noise, samples, adjoint);
      expect_adjoint([&](const std::vector<double>& m) { return gibbon(m, noise, samples, unused); }, moments,
                     adjoint, q, q, 1e-6, 1e-6);
    }
  }
}

TEST(Gibbon, ExtremesAreNumbers) {
  const std::array<double, 2> samples{-1.5, -1};
  std::vector<double> adjoint(6);
  for (const double mean : {0.0, 40.0, 1e300, -1e300}) {
    for (const double variance : {1e-300, 1.0, 1e300}) {
      for (const double correlation : {0.0, 1.0}) {
        const double cross = correlation * variance;
        const double value =
            gibbon(std::vector<double>{mean, 0, variance, cross, cross, variance}, 0, samples, adjoint);
        EXPECT_TRUE(std::isfinite(value)) << mean << ' ' << variance << ' ' << correlation;
        for (const double d : adjoint) EXPECT_TRUE(std::isfinite(d)) << mean << ' ' << variance;
      }
    }
  }
  EXPECT_TRUE(std::isnan(gibbon(std::vector<double>{0, 0, 1, 3, 3, 1}, 0, samples, adjoint)));
  EXPECT_THROW(gibbon(std::vector<double>{0, 0, 1, 0, 0, 1}, 0, {}, adjoint), UsageError);
}

}  // namespace
}  // namespace krigon
