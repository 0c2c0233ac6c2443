#include "core/random.hpp"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace krigon {
namespace {

TEST(Philox, MatchesThePublishedVectors) {
  // Salmon et al. 2011, known-answer vectors of philox4x32-10.
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, StreamsOfOneSeedShareNothing) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    for (const auto purpose : {Purpose::candidates, Purpose::fit_starts, Purpose::trial_seed}) {
      Random random(7, trial, purpose);
      for (int i = 0; i < 100; ++i) seen.insert(random());
    }
  }
  EXPECT_EQ(seen.size(), 3000u);
}

TEST(Random, IsAFunctionOfItsThreeArguments) {
  Random a(1, 2, Purpose::candidates), b(1, 2, Purpose::candidates), c(2, 1, Purpose::candidates);
  const auto first = a();
  EXPECT_EQ(first, b());
  EXPECT_NE(first, c());
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  Random random(3, 0, Purpose::random_sampler);
  constexpr int n = 200'000;
  double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    u1 += u / n;
    u2 += u * u / n;
    const double z = random.normal();
    z1 += z / n;
    z2 += z * z / n;
    z4 += z * z * z * z / n;
  }
  EXPECT_NEAR(u1, 0.5, 0.004);  // five standard errors and more, as below
  EXPECT_NEAR(u2, 1.0 / 3, 0.004);
  EXPECT_NEAR(z1, 0, 0.012);
  EXPECT_NEAR(z2, 1, 0.02);
  EXPECT_NEAR(z4, 3, 0.12);
}

TEST(Random, BelowIsUnbiasedAndBounded) {
  Random random(5, 0, Purpose::grid_order);
  std::vector<int> counts(6, 0);
  for (int i = 0; i < 60'000; ++i) ++counts.at(random.below(6));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(NormalQuantile, InvertsTheDistributionFunction) {
  for (const double z : {-8.0, -5.0, -3.0, -1.0, -0.3, 0.0, 0.7, 2.5, 4.0}) {
    const double p = 0.5 * std::erfc(-z / std::sqrt(2.0));
    EXPECT_NEAR(normal_quantile(p), z, 1e-9 * (1 + std::abs(z))) << z;
  }
  // Wichura 1988, the paper's own check values.
  EXPECT_NEAR(normal_quantile(0.25), -0.6744897501960817, 1e-15);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232306167814, 1e-14);
  EXPECT_NEAR(normal_quantile(1e-20), -9.262340089798408, 1e-13);
}

}  // namespace
}  // namespace krigon
