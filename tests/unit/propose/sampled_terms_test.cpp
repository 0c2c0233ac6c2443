#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/acquisition/marginal.hpp"
#include "kernels/acquisition/sampled_term.hpp"
#include "kernels/acquisition/thompson.hpp"
#include "tests/unit/propose/moments.hpp"

namespace krigon {
namespace {

using nlohmann::json;

struct Evaluated {
  double value;
  std::vector<double> adjoint;
};

Evaluated evaluate(const SampledTerm& term, const std::vector<double>& moments) {
  std::vector<double> adjoint(moments.size()), scratch(static_cast<std::size_t>(sampled_scratch(term.q)));
  EXPECT_EQ(moments.size(), static_cast<std::size_t>(moment_count(term)));
  const double value = sampled_term(term, moments.data(), adjoint.data(), scratch.data());
  return {value, adjoint};
}

void expect_finite(const Evaluated& at) {
  EXPECT_TRUE(std::isfinite(at.value)) << at.value;
  for (const double d : at.adjoint) EXPECT_TRUE(std::isfinite(d)) << d;
}

TEST(JointFactor, AdjointAgreesWithDifferences) {
  Random random(1, 1, Purpose::candidates);
  for (const std::size_t q : {1u, 2u, 5u, 16u}) {
    const int n = static_cast<int>(q);
    const auto covariance = random_moments(random, q, 0, 2, 0);
    std::vector<double> dl(q * q), l(q * q), d(q * q);
    for (std::size_t i = 0; i < q; ++i)
      for (std::size_t j = 0; j <= i; ++j) dl[i * q + j] = random.normal();
    const auto value = [&](const std::vector<double>& c) {
      std::vector<double> factor(q * q);
      EXPECT_TRUE(joint_factor(n, c.data(), factor.data()).ok);
      double sum = 0;
      for (std::size_t i = 0; i < q * q; ++i) sum += factor[i] * dl[i];
      return sum;
    };
    const JointFactor factor = joint_factor(n, covariance.data(), l.data());
    auto work = dl;
    factor_adjoint(n, factor, l.data(), work.data(), d.data());
    expect_adjoint(value, covariance, d, 0, q, 1e-6, 1e-7);
  }
}

TEST(JointFactor, RefusesWhatIsNoCovariance) {
  std::vector<double> l(4);
  EXPECT_FALSE(joint_factor(2, std::vector<double>{1, 2, 2, 1}.data(), l.data()).ok);
  EXPECT_FALSE(joint_factor(2, std::vector<double>{1, 0, 0, NAN}.data(), l.data()).ok);
  EXPECT_FALSE(joint_factor(1, std::vector<double>{INFINITY}.data(), l.data()).ok);
  EXPECT_TRUE(joint_factor(2, std::vector<double>{1, 1, 1, 1}.data(), l.data()).ok);
  EXPECT_TRUE(joint_factor(2, std::vector<double>{1, 0, 0, -1e-15}.data(), l.data()).ok);
}

TEST(SampledTerms, AdjointsAgreeWithDifferences) {
  Random random(2, 1, Purpose::candidates);
  for (const int q : {1, 2, 4, 8}) {
    const auto base = normal_points(64, static_cast<std::size_t>(q));
    std::vector<double> bests(64);
    for (double& b : bests) b = -0.5 + 0.3 * random.normal();
    for (const double mean : {-0.3, 1.5}) {
      for (const SampledTerm& term :
           {q_log_ei(-0.1, q, 64, base.data()), q_log_nei(q, 64, base.data(), bests.data()),
            q_log_pi(-0.1, q, 64, base.data()), q_confidence_bound(1.7, q, 64, base.data())}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(term.kind) << " q " << q << " mean " << mean);
        const std::size_t means = static_cast<std::size_t>(moment_count(term) - q * q);
        const auto moments = random_moments(random, static_cast<std::size_t>(q), mean, 0.8,
                                            means / static_cast<std::size_t>(q));
        // Steps small against the narrow smoothing of improvement and step.
        expect_adjoint([&](const std::vector<double>& m) { return evaluate(term, m).value; }, moments,
                       evaluate(term, moments).adjoint, means, static_cast<std::size_t>(q), 3e-5, 2e-8);
      }
    }
  }
}

TEST(SampledTerms, OnePointIsTheMarginalTermWithinMonteCarloError) {
  const int samples = 1 << 15;
  const auto base = normal_points(samples, 1);
  for (const double mean : {-1.0, 0.0, 1.0, 2.0}) {
    const double variance = 0.49;
    const std::vector<double> moments{mean, variance};
    const Evaluated ei = evaluate(q_log_ei(0.1, 1, samples, base.data()), moments);
    const Term exact = marginal_term(log_ei(0.1), mean, variance);
    // A third of the error of as many plain random samples.
    const double error =
        0.3 / std::sqrt(samples * std::exp(marginal_term(log_pi(0.1), mean, variance).value));
    EXPECT_NEAR(ei.value, exact.value, error) << mean;
    EXPECT_NEAR(ei.adjoint[0], exact.d_mean, error * (1 + std::abs(exact.d_mean))) << mean;
    EXPECT_NEAR(ei.adjoint[1], exact.d_variance, error * (1 + std::abs(exact.d_variance))) << mean;
    EXPECT_NEAR(evaluate(q_log_pi(0.1, 1, samples, base.data()), moments).value,
                marginal_term(log_pi(0.1), mean, variance).value, error)
        << mean;
    EXPECT_NEAR(evaluate(q_confidence_bound(2, 1, samples, base.data()), moments).value,
                marginal_term(confidence_bound(2), mean, variance).value, 1e-3)
        << mean;
  }
}

TEST(SampledTerms, TwoPointsAgreeWithNumericalIntegration) {
  const int samples = 1 << 15;
  const auto base = normal_points(samples, 2);
  const json reference =
      json::parse(std::ifstream(KRIGON_SOURCE_DIR "/tests/data/acquisition/reference.json"));
  ASSERT_FALSE(reference["sampled"].empty());
  for (const json& row : reference["sampled"]) {
    SCOPED_TRACE(row.dump());
    const auto pair = row["moments"].get<std::vector<double>>();
    const double cross = pair[4] * std::sqrt(pair[2] * pair[3]);
    const std::vector<double> moments{pair[0], pair[1], pair[2], cross, cross, pair[3]};
    const double best = row["best"];
    // The smoothed maximum of two is too large by at most kTauMax ln 2.
    const double error = 5e-3, bias = kTauMax * std::log(2.0);
    const double ei = evaluate(q_log_ei(best, 2, samples, base.data()), moments).value;
    EXPECT_GT(ei, row["log_ei"].get<double>() - error);
    EXPECT_LT(ei, row["log_ei"].get<double>() + error + bias);
    const double pi = evaluate(q_log_pi(best, 2, samples, base.data()), moments).value;
    EXPECT_GT(pi, row["log_pi"].get<double>() - error);
    EXPECT_LT(pi, row["log_pi"].get<double>() + error + bias);
    EXPECT_NEAR(evaluate(q_confidence_bound(row["kappa"], 2, samples, base.data()), moments).value,
                row["bound"], 2e-3);
  }
}

// The smoothed utilities themselves, over given samples.
TEST(SampledTerms, AgreeWithSixtyDigitsSampleBySample) {
  const json reference =
      json::parse(std::ifstream(KRIGON_SOURCE_DIR "/tests/data/acquisition/reference.json"));
  int seen = 0;
  for (const json& row : reference["smoothed"]) {
    if (row["name"] == "q_log_ehvi") continue;  // in hypervolume_test.cpp
    SCOPED_TRACE(row["name"].dump());
    ++seen;
    std::vector<double> base;
    for (const json& z : row["base"]) {
      for (const json& x : z) base.push_back(x);
    }
    const SampledTerm term =
        row["name"] == "q_log_ei" ? q_log_ei(-0.125, 3, 4, base.data()) : q_log_pi(-0.125, 3, 4, base.data());
    const Evaluated at = evaluate(term, row["moments"].get<std::vector<double>>());
    // The jitter of the factor, 1.5e-12, is all that differs.
    EXPECT_NEAR(at.value, row["value"], 1e-10);
    for (std::size_t i = 0; i < at.adjoint.size(); ++i) {
      const double expected = row["adjoint"][i];
      EXPECT_NEAR(at.adjoint[i], expected, 1e-9 * (1 + std::abs(expected))) << i;
    }
  }
  EXPECT_EQ(seen, 2);
}

TEST(SampledTerms, NoisyImprovementOfOnePointIsExactInEachSample) {
  const std::vector<double> base(3), bests{0.0, -0.5, 0.25};
  const SampledTerm term = q_log_nei(1, 3, base.data(), bests.data());
  const Evaluated at = evaluate(term, {0.5, 1.0, -0.25, 0.75});
  double sum = 0;
  for (std::size_t s = 0; s < 3; ++s) {
    const double mean = std::vector{0.5, 1.0, -0.25}[s];
    sum += std::exp(marginal_term(log_ei(bests[s]), mean, 0.75).value);
  }
  EXPECT_NEAR(at.value, std::log(sum / 3), 1e-14);
  // Far out, where each of them underflows.
  const Evaluated far = evaluate(term, {60, 61, 62, 1});
  EXPECT_NEAR(far.value, marginal_term(log_ei(0), 60, 1).value - std::log(3.0), 1e-9);
  EXPECT_NEAR(far.adjoint[0], marginal_term(log_ei(0), 60, 1).d_mean, 1e-9);
}

TEST(SampledTerms, NoisyImprovementWithoutNoiseIsImprovement) {
  Random random(3, 1, Purpose::candidates);
  const auto base = normal_points(32, 3);
  const std::vector<double> bests(32, -0.2);
  const auto moments = random_moments(random, 3, 0, 1);
  std::vector<double> repeated;
  for (int s = 0; s < 32; ++s) repeated.insert(repeated.end(), moments.begin(), moments.begin() + 3);
  repeated.insert(repeated.end(), moments.begin() + 3, moments.end());
  const Evaluated plain = evaluate(q_log_ei(-0.2, 3, 32, base.data()), moments);
  const Evaluated noisy = evaluate(q_log_nei(3, 32, base.data(), bests.data()), repeated);
  EXPECT_DOUBLE_EQ(noisy.value, plain.value);
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::size_t s = 0; s < 32; ++s) sum += noisy.adjoint[s * 3 + i];
    EXPECT_NEAR(sum, plain.adjoint[i], 1e-12);
  }
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(noisy.adjoint[96 + i], plain.adjoint[3 + i], 1e-12 * (1 + std::abs(plain.adjoint[3 + i])));
  }
}

TEST(SampledTerms, FiniteForEveryFiniteMoment) {
  const auto base = normal_points(16, 3);
  for (const double mean : {0.0, 40.0, 1e8, -1e8, 1e300, -1e300}) {
    for (const double variance : {1e-300, 1e-20, 1.0, 1e300}) {
      for (const double correlation : {0.0, 0.5, 1.0}) {
        SCOPED_TRACE(testing::Message() << mean << ' ' << variance << ' ' << correlation);
        std::vector<double> moments(3, mean);
        for (int i = 0; i < 9; ++i) moments.push_back(i % 4 == 0 ? variance : correlation * variance);
        expect_finite(evaluate(q_log_ei(-1, 3, 16, base.data()), moments));
        expect_finite(evaluate(q_log_pi(-1, 3, 16, base.data()), moments));
        expect_finite(evaluate(q_confidence_bound(2, 3, 16, base.data()), moments));
        const std::vector<double> bests(16, -1);
        std::vector<double> noisy(48, mean);
        noisy.insert(noisy.end(), moments.begin() + 3, moments.end());
        expect_finite(evaluate(q_log_nei(3, 16, base.data(), bests.data()), noisy));
        std::vector<double> one(16, mean);
        one.push_back(variance);
        expect_finite(evaluate(q_log_nei(1, 16, base.data(), bests.data()), one));
      }
    }
  }
}

TEST(SampledTerms, PointsThatCoincideAreWorthOne) {
  const auto three = normal_points(1024, 3);
  const Evaluated joint = evaluate(q_log_ei(-1, 3, 1024, three.data()), {0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_NEAR(joint.value, marginal_term(log_ei(-1), 0, 1).value, 0.02 + kTauMax * std::log(3.0));
  expect_finite(joint);
}

TEST(SampledTerms, GradientsNeverVanish) {
  // Hopeless points: every improvement underflows, and still the way down is known.
  const auto base = normal_points(16, 2);
  const Evaluated at = evaluate(q_log_ei(-1, 2, 16, base.data()), {500, 900, 1, 0, 0, 1});
  EXPECT_LT(at.adjoint[0], -1e-4);
  EXPECT_LT(at.adjoint[1], -1e-9);
}

TEST(SampledTerms, WhatCannotBeFactorisedIsNan) {
  const auto base = normal_points(16, 2);
  for (const SampledTerm& term : {q_log_ei(-1, 2, 16, base.data()), q_log_pi(-1, 2, 16, base.data()),
                                  q_confidence_bound(2, 2, 16, base.data())}) {
    const Evaluated at = evaluate(term, {0, 0, 1, 3, 3, 1});
    EXPECT_TRUE(std::isnan(at.value));
    for (const double d : at.adjoint) EXPECT_EQ(d, 0);
  }
}

TEST(Thompson, TakesTheSmallestOfAJointSample) {
  const std::vector<double> moments{0.5, 0.0, 1.0, 1, 0, 0, 0, 4, 0, 0, 0, 1};
  std::vector<double> scratch(static_cast<std::size_t>(sampled_scratch(3)));
  const auto choose = [&](std::vector<double> z) {
    return thompson_choice(3, moments.data(), z.data(), scratch.data());
  };
  EXPECT_EQ(choose({0, 0, 0}).index, 1);
  EXPECT_EQ(choose({-1, 1, 0}).index, 0);
  EXPECT_NEAR(choose({-1, 1, 0}).value, -0.5, 1e-11);
  EXPECT_EQ(choose({0, 1, -3}).index, 2);
  const std::vector<double> none{0, 0, 1, 3, 3, 1};
  EXPECT_EQ(thompson_choice(2, none.data(), moments.data(), scratch.data()).index, -1);
}

}  // namespace
}  // namespace krigon
