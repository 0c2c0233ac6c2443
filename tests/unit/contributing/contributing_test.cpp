#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "contributing_example.hpp"

namespace krigon {
namespace {

TEST(Contributing, TheAcquisitionsAdjointsMatchDifferences) {
  MarginalTerm term;
  term.a = 1.96;
  term.b = 0.4;
  constexpr double kStep = 1e-6;
  for (const double mean : {-1.0, 0.3, 2.0}) {
    for (const double variance : {0.01, 1.0, 7.0}) {
      const Term at = straddle_term(term, mean, variance);
      EXPECT_DOUBLE_EQ(at.value, 1.96 * std::sqrt(variance) - std::abs(mean - 0.4));
      const auto slope = [&](double m, double v) {
        return (straddle_term(term, mean + m, variance + v).value -
                straddle_term(term, mean - m, variance - v).value) /
               (2 * kStep);
      };
      EXPECT_NEAR(at.d_mean, slope(kStep, 0), 1e-7);
      EXPECT_NEAR(at.d_variance, slope(0, kStep), 1e-6);
    }
  }
}

TEST(Contributing, TheCovariancesWeightIsItsDerivative) {
  constexpr double kStep = 1e-6;
  EXPECT_EQ(CauchyCovariance::at(0).value, 1);
  for (const double r2 : {0.1, 1.0, 30.0}) {
    const double slope =
        (CauchyCovariance::at(r2 + kStep).value - CauchyCovariance::at(r2 - kStep).value) / (2 * kStep);
    EXPECT_NEAR(CauchyCovariance::at(r2).weight, -2 * slope, 1e-8);
  }
}

TEST(Contributing, TheOperationIsOfABatchAndSaysWhichMemberFailed) {
  const auto backend = make_cpu_backend({.threads = 1, .simd = ""});
  // Determinants 4 * 3 - 1 = 11, and -3.
  const std::vector<double> matrices = {4, 1, 1, 3, 1, 2, 2, 1};
  Buffer k = backend->allocate(8);
  Buffer info = backend->allocate(2);
  Buffer out = backend->allocate(2);
  backend->upload(matrices, k.data());
  log_determinant(*backend, {k.data(), 2, 2, 2, 2, 4}, info.data(), {out.data(), 1, 2, 1});
  std::vector<double> status(2), value(2);
  backend->download(info.data(), status);
  backend->download(out.data(), value);
  EXPECT_EQ(status, (std::vector<double>{0, 2}));
  EXPECT_NEAR(value[0], std::log(11), 1e-14);
}

}  // namespace
}  // namespace krigon
