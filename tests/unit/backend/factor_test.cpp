#include "backend/factor.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/blas.hpp"
#include "core/random.hpp"

namespace krigon::detail {
namespace {

/// The sizes around and between block edges.
constexpr std::int64_t kSizes[] = {1, 2, 31, 128, 160, 161, 255, 256, 257, 300, 400, 2100};

/// A diagonally heavy symmetric matrix, column-major, leading dimension n + 3.
std::vector<double> sample_matrix(std::int64_t n) {
  Random random(1, static_cast<std::uint64_t>(n), Purpose::candidates);
  const std::int64_t ld = n + 3;
  std::vector<double> a(static_cast<std::size_t>(ld * n), std::nan(""));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = j; i < n; ++i) {
      a[static_cast<std::size_t>(j * ld + i)] =
          i == j ? 2.0 + static_cast<double>(n) / 8 : random.uniform() - 0.4;
    }
  }
  return a;
}

class Factor : public testing::TestWithParam<std::int64_t> {
 protected:
  std::int64_t n_ = GetParam();
  std::int64_t ld_ = n_ + 3;
  SerialBlas serial_;
  double at(const std::vector<double>& a, std::int64_t i, std::int64_t j) const {
    return a[static_cast<std::size_t>(j * ld_ + i)];
  }
};

TEST_P(Factor, CholeskyAgreesWithLapacksAndIsTheSameOnAnyNumberOfThreads) {
  const std::vector<double> a = sample_matrix(n_);
  std::vector<double> expected = a;
  ASSERT_EQ(lapack_cholesky(n_, expected.data(), ld_), 0);
  std::vector<double> first;
  for (const int threads : {1, 2, 4}) {
    Pool pool(threads);
    std::vector<double> l = a;
    ASSERT_EQ(cholesky(pool, n_, l.data(), ld_), 0);
    if (first.empty()) first = l;
    double worst = 0;
    bool same = true;
    for (std::int64_t j = 0; j < n_; ++j) {
      for (std::int64_t i = j; i < n_; ++i) {
        worst = std::max(worst, std::abs(at(l, i, j) - at(expected, i, j)));
        same &= at(l, i, j) == at(first, i, j);
      }
    }
    EXPECT_LT(worst, 1e-12 * static_cast<double>(n_));
    EXPECT_TRUE(same) << threads;
  }
}

TEST_P(Factor, LowerInverseTimesTheFactorIsTheIdentity) {
  Pool pool(2);
  std::vector<double> l = sample_matrix(n_);
  ASSERT_EQ(cholesky(pool, n_, l.data(), ld_), 0);
  std::vector<double> x(l.size(), std::nan(""));
  lower_inverse(pool, n_, l.data(), ld_, x.data(), ld_);
  double worst = 0;
  for (std::int64_t j = 0; j < n_; j += std::max<std::int64_t>(1, n_ / 40)) {
    for (std::int64_t i = 0; i < n_; ++i) {
      if (i < j) {
        EXPECT_EQ(at(x, i, j), 0);
        continue;
      }
      double sum = 0;
      for (std::int64_t k = j; k <= i; ++k) sum += at(l, i, k) * at(x, k, j);
      worst = std::max(worst, std::abs(sum - (i == j ? 1.0 : 0.0)));
    }
  }
  EXPECT_LT(worst, 1e-12);
}

TEST_P(Factor, InPlaceTheInverseIsTheSameOnAnyNumberOfThreads) {
  Pool two(2);
  std::vector<double> l = sample_matrix(n_);
  ASSERT_EQ(cholesky(two, n_, l.data(), ld_), 0);
  std::vector<double> expected(l.size(), std::nan(""));
  lower_inverse(two, n_, l.data(), ld_, expected.data(), ld_);
  std::vector<double> first;
  for (const int threads : {1, 2, 4}) {
    Pool pool(threads);
    std::vector<double> x = l;
    std::vector<double> panel(static_cast<std::size_t>(n_ * factor_block(n_)), std::nan(""));
    lower_inverse_in_place(pool, n_, x.data(), ld_, panel.data());
    if (first.empty()) first = x;
    double worst = 0;
    bool same = true;
    for (std::int64_t j = 0; j < n_; ++j) {
      for (std::int64_t i = j; i < n_; ++i) {
        worst = std::max(worst, std::abs(at(x, i, j) - at(expected, i, j)));
        same &= at(x, i, j) == at(first, i, j);
      }
      for (std::int64_t i = j / factor_block(n_) * factor_block(n_); i < j; ++i) same &= at(x, i, j) == 0;
    }
    EXPECT_LT(worst, 1e-13);
    EXPECT_TRUE(same) << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Factor, testing::ValuesIn(kSizes));

TEST(Cholesky, SaysWhichMinorFails) {
  const SerialBlas serial;
  Pool pool(2);
  for (const std::int64_t n : {20, 300}) {
    for (const std::int64_t bad : {std::int64_t{0}, n / 2, n - 1}) {
      std::vector<double> a = sample_matrix(n);
      a[static_cast<std::size_t>(bad * (n + 3) + bad)] = -1;
      EXPECT_EQ(cholesky(pool, n, a.data(), n + 3), bad + 1);
      a = sample_matrix(n);
      a[static_cast<std::size_t>(bad * (n + 3) + bad)] = std::nan("");
      EXPECT_EQ(cholesky(pool, n, a.data(), n + 3), -1);
    }
  }
}

TEST(LowerBlock, GoesColumnByColumn) {
  std::vector<std::pair<std::int64_t, std::int64_t>> found;
  for (std::int64_t t = 0; t < 6; ++t) {
    const BlockIndex block = lower_block(3, t);
    found.emplace_back(block.row, block.column);
  }
  const std::vector<std::pair<std::int64_t, std::int64_t>> expected = {{0, 0}, {1, 0}, {2, 0},
                                                                       {1, 1}, {2, 1}, {2, 2}};
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace krigon::detail
