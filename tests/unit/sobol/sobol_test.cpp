#include "optim/sobol.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace krigon {
namespace {

using ::testing::ElementsAre;

double unscrambled(std::span<const std::uint32_t> directions, std::size_t d, std::uint32_t index) {
  std::uint32_t x = 0;
  for (std::size_t k = 0; k < 32; ++k) {
    if ((index >> k & 1u) != 0) x ^= directions[d * 32 + k];
  }
  return x * 0x1p-32;
}

TEST(Sobol, DirectionNumbersGiveThePublishedFirstPoints) {
  // new-joe-kuo-6, the points in the order of their binary index.
  const auto directions = detail::sobol_directions(4);
  const std::array<std::array<double, 4>, 8> expected{{{0, 0, 0, 0},
                                                       {0.5, 0.5, 0.5, 0.5},
                                                       {0.25, 0.75, 0.75, 0.75},
                                                       {0.75, 0.25, 0.25, 0.25},
                                                       {0.125, 0.625, 0.375, 0.125},
                                                       {0.625, 0.125, 0.875, 0.625},
                                                       {0.375, 0.375, 0.625, 0.875},
                                                       {0.875, 0.875, 0.125, 0.375}}};
  for (std::uint32_t i = 0; i < 8; ++i) {
    for (std::size_t d = 0; d < 4; ++d) {
      EXPECT_EQ(unscrambled(directions, d, i), expected[i][d]) << i << ' ' << d;
    }
  }
}

TEST(Sobol, ScramblingIsNested) {
  // Two numbers that agree in their first k bits agree there afterwards, and differ at bit k.
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    for (std::uint32_t k = 0; k < 32; ++k) {
      const std::uint32_t a = 0x9E3779B9u * (seed + 1) + k, b = a ^ (0x80000000u >> k);
      const std::uint32_t difference = detail::owen_scramble(a, seed) ^ detail::owen_scramble(b, seed);
      EXPECT_EQ(std::countl_zero(difference), static_cast<int>(k));
    }
  }
}

class Stratified : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Stratified, ::testing::Values(0, 1, 2, 12345, ~std::uint64_t{0}));

TEST_P(Stratified, EachProjectionHasOnePointAnInterval) {
  const std::size_t dims = 50;
  const ScrambledSobol sobol(dims, GetParam());
  std::vector<double> x(dims);
  for (const std::uint32_t n : {1u, 2u, 8u, 64u, 1024u}) {
    std::vector<std::set<std::uint32_t>> cells(dims);
    for (std::uint32_t i = 0; i < n; ++i) {
      sobol.point(i, x);
      for (std::size_t d = 0; d < dims; ++d) {
        ASSERT_GT(x[d], 0.0);
        ASSERT_LT(x[d], 1.0);
        cells[d].insert(static_cast<std::uint32_t>(x[d] * n));
      }
    }
    for (const auto& c : cells) EXPECT_EQ(c.size(), n);
  }
}

TEST_P(Stratified, TheFirstTwoDimensionsAreANet) {
  // A (0, m, 2)-net: each elementary rectangle of area 2^-m holds exactly one of 2^m points.
  const ScrambledSobol sobol(2, GetParam());
  const std::uint32_t m = 8, n = 1u << m;
  for (std::uint32_t a = 0; a <= m; ++a) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> boxes;
    for (std::uint32_t i = 0; i < n; ++i) {
      std::array<double, 2> x{};
      sobol.point(i, x);
      boxes.emplace(static_cast<std::uint32_t>(x[0] * (1u << a)),
                    static_cast<std::uint32_t>(x[1] * (1u << (m - a))));
    }
    EXPECT_EQ(boxes.size(), n) << a;
  }
}

TEST(Sobol, SeedsAndDimensionsAreScrambledApart) {
  const ScrambledSobol a(3, 1), b(3, 2), again(3, 1);
  std::vector<double> x(3), y(3), z(3);
  a.point(0, x);
  b.point(0, y);
  again.point(0, z);
  EXPECT_EQ(x, z);
  EXPECT_NE(x, y);
  EXPECT_NE(x[0], x[1]);
  EXPECT_NE(x[1], x[2]);
  // A space with one more dimension keeps the first ones.
  const ScrambledSobol more(4, 1);
  std::vector<double> w(4);
  more.point(7, w);
  a.point(7, x);
  EXPECT_THAT(x, ElementsAre(w[0], w[1], w[2]));
}

TEST(Sobol, IntegratesBetterThanRandomNumbersDo) {
  // The product of x + 1/2 over 8 dimensions has mean 1. Random points have a standard error of
  // sqrt((13/12)^8 - 1) / 64 = 0.015 at 4,096 points.
  double sum_of_squares = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const ScrambledSobol sobol(8, seed);
    std::vector<double> x(8);
    double sum = 0;
    for (std::uint32_t i = 0; i < 4096; ++i) {
      sobol.point(i, x);
      double product = 1;
      for (const double v : x) product *= v + 0.5;
      sum += product;
    }
    sum_of_squares += std::pow(sum / 4096 - 1, 2);
  }
  EXPECT_LT(std::sqrt(sum_of_squares / 20), 0.015 / 30);
}

TEST(Sobol, NoDimensions) {
  const ScrambledSobol sobol(0, 1);
  EXPECT_EQ(sobol.dims(), 0u);
  EXPECT_NO_THROW(sobol.point(5, {}));
}

TEST(Sobol, BeyondTheTableNumbersAreIndependentAndUniform) {
  const std::size_t dims = ScrambledSobol::kTableDims + 3;
  const ScrambledSobol sobol(dims, 4);
  std::vector<double> x(dims);
  double sum = 0, product = 0;
  const int n = 4000;
  for (std::uint32_t i = 0; i < n; ++i) {
    sobol.point(i, x);
    const double a = x[dims - 1], b = x[dims - 2];
    ASSERT_TRUE(a > 0 && a < 1);
    sum += a;
    product += (a - 0.5) * (b - 0.5);
  }
  EXPECT_NEAR(sum / n, 0.5, 0.03);
  EXPECT_NEAR(product / n, 0, 0.01);
}

}  // namespace
}  // namespace krigon
