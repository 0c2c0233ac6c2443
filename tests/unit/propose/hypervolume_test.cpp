#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/acquisition/log_ehvi.hpp"
#include "kernels/acquisition/q_log_ehvi.hpp"
#include "propose/acquisition/boxes.hpp"
#include "tests/unit/propose/moments.hpp"

namespace krigon {
namespace {

using nlohmann::json;

const json& reference() {
  static const json data =
      json::parse(std::ifstream(KRIGON_SOURCE_DIR "/tests/data/acquisition/reference.json"));
  return data;
}

TEST(ExpectedLength, AgreesWithSixtyDigits) {
  ASSERT_FALSE(reference()["length"].empty());
  for (const json& row : reference()["length"]) {
    SCOPED_TRACE(row.dump());
    const double variance = row["variance"];
    const Term found = log_expected_length(row["lower"], row["upper"], row["mean"], variance);
    const double value = row["value"], d_mean = row["d_mean"], d_variance = row["d_variance"];
    EXPECT_NEAR(found.value, value, 1e-11 * std::max(1.0, std::abs(value)));
    EXPECT_NEAR(found.d_mean, d_mean, 1e-9 * std::max(1 / std::sqrt(variance), std::abs(d_mean)));
    EXPECT_NEAR(found.d_variance, d_variance, 1e-9 * std::max(1 / variance, std::abs(d_variance)));
  }
}

TEST(LogEhvi, AgreesWithSixtyDigitsOnAGrid) {
  ASSERT_FALSE(reference()["ehvi"].empty());
  for (const json& row : reference()["ehvi"]) {
    SCOPED_TRACE(row.dump());
    std::vector<double> points;
    for (const json& p : row["points"]) {
      for (const json& y : p) points.push_back(y);
    }
    const Boxes boxes = improvement_boxes(points, row["reference"].get<std::vector<double>>());
    const auto mean = row["mean"].get<std::vector<double>>();
    const auto variance = row["variance"].get<std::vector<double>>();
    std::vector<double> d_mean(mean.size()), d_variance(mean.size());
    const double value =
        log_ehvi(boxes.view(), mean.data(), variance.data(), d_mean.data(), d_variance.data());
    const double expected = row["value"];
    EXPECT_NEAR(value, expected, 1e-11 * std::max(1.0, std::abs(expected)));
    for (std::size_t m = 0; m < mean.size(); ++m) {
      const double dm = row["d_mean"][m], dv = row["d_variance"][m];
      EXPECT_NEAR(d_mean[m], dm, 1e-9 * std::max(1.0, std::abs(dm))) << m;
      EXPECT_NEAR(d_variance[m], dv, 1e-9 * std::max(1.0, std::abs(dv))) << m;
    }
  }
}

TEST(LogEhvi, FiniteForEveryFiniteMoment) {
  const Boxes boxes = improvement_boxes(std::vector<double>{0, 0.5, 0.75, 0.5, 0, 0.25, 0.25, 0.25, 0.5},
                                        std::vector<double>(3, 1.0));
  for (const double mean : {0.0, 40.0, -40.0, 1e8, -1e8, 1e300, -1e300}) {
    for (const double variance : {1e-300, 1e-20, 1.0, 1e20, 1e300}) {
      const std::array<double, 3> means{mean, 0, mean}, variances{variance, variance, 1};
      std::array<double, 3> d_mean{}, d_variance{};
      const double value =
          log_ehvi(boxes.view(), means.data(), variances.data(), d_mean.data(), d_variance.data());
      EXPECT_TRUE(std::isfinite(value)) << mean << ' ' << variance;
      for (std::size_t m = 0; m < 3; ++m) {
        EXPECT_TRUE(std::isfinite(d_mean[m])) << mean << ' ' << variance;
        EXPECT_TRUE(std::isfinite(d_variance[m])) << mean << ' ' << variance;
      }
    }
  }
}

struct Evaluated {
  double value;
  std::vector<std::vector<double>> adjoint;
};

Evaluated evaluate(const HypervolumeTerm& term, const std::vector<std::vector<double>>& moments) {
  Evaluated at{0, moments};
  std::vector<const double*> in;
  std::vector<double*> out;
  for (std::size_t m = 0; m < moments.size(); ++m) {
    in.push_back(moments[m].data());
    out.push_back(at.adjoint[m].data());
  }
  std::vector<double> scratch(static_cast<std::size_t>(hypervolume_scratch(term)));
  at.value = q_log_ehvi(term, in.data(), out.data(), scratch.data());
  return at;
}

const Boxes& three_objectives() {
  static const Boxes boxes =
      improvement_boxes(std::vector<double>{0, 0.5, 0.75, 0.5, 0, 0.25, 0.25, 0.25, 0.5, 0.75, 0.5, -0.5},
                        std::vector<double>(3, 1.0));
  return boxes;
}

const Boxes& two_objectives() {
  static const Boxes boxes =
      improvement_boxes(std::vector<double>{0, 1.5, 0.5, 0.75, 0.75, 0.25}, std::vector<double>(2, 2.0));
  return boxes;
}

TEST(QLogEhvi, OnePointAgreesWithTheExactFormWithinMonteCarloError) {
  const int samples = 1 << 14;
  const auto base = normal_points(samples, 3);
  for (const double mean : {-0.5, 0.25, 1.0}) {
    const std::vector<std::vector<double>> moments{{mean, 0.5}, {mean + 0.1, 0.3}, {mean - 0.1, 0.4}};
    const HypervolumeTerm term{three_objectives().view(), 1, samples, base.data()};
    const Evaluated at = evaluate(term, moments);
    std::array<double, 3> means{}, variances{}, d_mean{}, d_variance{};
    for (std::size_t m = 0; m < 3; ++m) means[m] = moments[m][0], variances[m] = moments[m][1];
    const double exact =
        log_ehvi(three_objectives().view(), means.data(), variances.data(), d_mean.data(), d_variance.data());
    // Smoothed minima of two are too small by at most kTauMax ln 2, one per objective.
    const double error = 0.01, bias = 3 * kTauMax * std::log(2.0);
    EXPECT_GT(at.value, exact - error - bias) << mean;
    EXPECT_LT(at.value, exact + error) << mean;
    for (std::size_t m = 0; m < 3; ++m) {
      EXPECT_NEAR(at.adjoint[m][0], d_mean[m], 0.05 * (1 + std::abs(d_mean[m]))) << mean;
      EXPECT_NEAR(at.adjoint[m][1], d_variance[m], 0.05 * (1 + std::abs(d_variance[m]))) << mean;
    }
  }
}

// The smoothed volumes themselves, over given samples.
TEST(QLogEhvi, AgreesWithSixtyDigitsSampleBySample) {
  const json& rows = reference()["smoothed"];
  const auto row =
      std::find_if(rows.begin(), rows.end(), [](const json& r) { return r["name"] == "q_log_ehvi"; });
  ASSERT_NE(row, rows.end());
  // The same three boxes as there, cut along the first objective.
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> lower{-infinity, -infinity, 0, -infinity, 0.5, -infinity},
      upper{0, 1, 0.5, 0.5, 1, 0};
  std::vector<double> base;
  for (std::size_t s = 0; s < 4; ++s) {
    for (const char* part : {"base", "base_2"}) {
      for (const json& x : (*row)[part][s]) base.push_back(x);
    }
  }
  const auto all = (*row)["moments"].get<std::vector<double>>();
  const std::vector<std::vector<double>> moments{{all.begin(), all.begin() + 12},
                                                 {all.begin() + 12, all.end()}};
  const HypervolumeTerm term{{2, 3, lower.data(), upper.data()}, 3, 4, base.data()};
  const Evaluated at = evaluate(term, moments);
  EXPECT_NEAR(at.value, (*row)["value"], 1e-10);
  for (std::size_t i = 0; i < 24; ++i) {
    const double expected = (*row)["adjoint"][i];
    EXPECT_NEAR(at.adjoint[i / 12][i % 12], expected, 1e-9 * (1 + std::abs(expected))) << i;
  }
}

// The volume that q points add, averaged over the samples, without smoothing or boxes of ours.
TEST(QLogEhvi, ThreePointsAddTheVolumeOfTheirUnion) {
  Random random(1, 1, Purpose::candidates);
  const int samples = 1 << 10, q = 3;
  const auto base = normal_points(samples, 2 * q);
  const std::vector<double> front{0, 1.5, 0.5, 0.75, 0.75, 0.25}, corner{2, 2};
  for (int trial = 0; trial < 5; ++trial) {
    const std::vector<std::vector<double>> moments{random_moments(random, q, 0.4, 0.4),
                                                   random_moments(random, q, 0.4, 0.4)};
    const HypervolumeTerm term{two_objectives().view(), q, samples, base.data()};
    double total = 0;
    std::vector<double> l(q * q), f(2 * q);
    for (int s = 0; s < samples; ++s) {
      for (std::size_t m = 0; m < 2; ++m) {
        joint_factor(q, moments[m].data() + q, l.data());
        joint_sample(q, moments[m].data(), l.data(), base.data() + s * 2 * q + static_cast<int>(m) * q,
                     f.data() + m * q);
      }
      auto with = front;
      for (int i = 0; i < q; ++i) with.insert(with.end(), {f[i], f[q + i]});
      total += hypervolume(with, corner) - hypervolume(front, corner);
    }
    EXPECT_NEAR(evaluate(term, moments).value, std::log(total / samples), 3 * 2 * kTauMax) << trial;
  }
}

TEST(QLogEhvi, AdjointsAgreeWithDifferences) {
  Random random(2, 1, Purpose::candidates);
  for (const std::size_t q : {1u, 2u, 3u}) {
    for (const Boxes* boxes : {&two_objectives(), &three_objectives()}) {
      const std::size_t objectives = boxes->objectives;
      const auto base = normal_points(16, objectives * q);
      const HypervolumeTerm term{boxes->view(), static_cast<int>(q), 16, base.data()};
      std::vector<std::vector<double>> moments;
      for (std::size_t m = 0; m < objectives; ++m) moments.push_back(random_moments(random, q, 0.5, 0.5));
      const Evaluated at = evaluate(term, moments);
      for (std::size_t m = 0; m < objectives; ++m) {
        SCOPED_TRACE(testing::Message() << q << " points, objective " << m << " of " << objectives);
        const auto value = [&](const std::vector<double>& moved) {
          auto all = moments;
          all[m] = moved;
          return evaluate(term, all).value;
        };
        expect_adjoint(value, moments[m], at.adjoint[m], q, q, 3e-5, 2e-8);
      }
    }
  }
}

TEST(QLogEhvi, FiniteForEveryFiniteMomentAndNanForNoCovariance) {
  const auto base = normal_points(8, 9);
  const HypervolumeTerm term{three_objectives().view(), 3, 8, base.data()};
  const auto block = [](double mean, double variance, double correlation) {
    std::vector<double> moments(3, mean);
    for (int i = 0; i < 9; ++i) moments.push_back(i % 4 == 0 ? variance : correlation * variance);
    return moments;
  };
  for (const double mean : {0.0, 40.0, 1e300, -1e300}) {
    for (const double variance : {1e-300, 1.0, 1e300}) {
      for (const double correlation : {0.0, 1.0}) {
        const Evaluated at = evaluate(
            term, {block(mean, variance, correlation), block(0, variance, 0.5), block(mean, 1, correlation)});
        EXPECT_TRUE(std::isfinite(at.value)) << mean << ' ' << variance;
        for (const auto& adjoint : at.adjoint) {
          for (const double d : adjoint) EXPECT_TRUE(std::isfinite(d)) << mean << ' ' << variance;
        }
      }
    }
  }
  const Evaluated none = evaluate(term, {block(0, 1, 0), block(0, 1, 3), block(0, 1, 0)});
  EXPECT_TRUE(std::isnan(none.value));
}

}  // namespace
}  // namespace krigon
