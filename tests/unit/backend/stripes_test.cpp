#include "backend/stripes.hpp"

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "backend/blas.hpp"
#include "core/random.hpp"

namespace krigon::detail {
namespace {

/// The sizes around and between the edges of vectors, stripes, blocks and depths of every instruction set.
constexpr std::int64_t kSizes[] = {1, 2, 7, 8, 23, 24, 25, 95, 96, 97, 128, 300, 385, 700, 2050};

/// A diagonally heavy symmetric matrix, column-major, leading dimension n + 3, not a number above the
/// diagonal.
std::vector<double> sample_matrix(std::int64_t n) {
  Random random(1, static_cast<std::uint64_t>(n), Purpose::candidates);
  std::vector<double> a(size_of((n + 3) * n), std::nan(""));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = j; i < n; ++i) {
      a[size_of(j * (n + 3) + i)] = i == j ? 2.0 + static_cast<double>(n) / 8 : random.uniform() - 0.4;
    }
  }
  return a;
}

class StripesOf : public testing::TestWithParam<std::tuple<std::string, std::int64_t>> {
 protected:
  const Tiles& tiles_ = *tiles_by_name(std::get<0>(GetParam()).c_str());
  std::int64_t n_ = std::get<1>(GetParam());
  std::int64_t ld_ = n_ + 3;
  std::vector<double> a_ = sample_matrix(n_);
  SerialBlas serial_;  ///< for what LAPACK makes

  Stripes factorised(Pool& pool) const {
    Stripes stripes;
    stripes.resize(tiles_, n_);
    // In uneven shares, as tasks hand them in.
    for (std::int64_t j = 0; j < n_; j += 19) {
      stripes.set_columns(j, std::min<std::int64_t>(19, n_ - j), &a_[size_of(j * ld_)], ld_);
    }
    EXPECT_EQ(stripes.factorise(pool), 0);
    return stripes;
  }
  /// L as LAPACK makes it.
  std::vector<double> expected_factor() const {
    std::vector<double> l = a_;
    EXPECT_EQ(lapack_cholesky(n_, l.data(), ld_), 0);
    return l;
  }
  std::vector<double> factor_of(const Stripes& stripes) const {
    std::vector<double> l(a_.size(), -7.0);
    stripes.copy_factor(l.data(), ld_);
    return l;
  }
  double at(const std::vector<double>& a, std::int64_t i, std::int64_t j) const {
    return a[size_of(j * ld_ + i)];
  }
};

TEST_P(StripesOf, TheFactorAgreesWithLapacksAndIsTheSameOnAnyNumberOfThreads) {
  const std::vector<double> expected = expected_factor();
  std::vector<double> first;
  for (const int threads : {1, 3}) {
    Pool pool(threads);
    const Stripes stripes = factorised(pool);
    const std::vector<double> l = factor_of(stripes);
    if (first.empty()) first = l;
    double worst = 0;
    for (std::int64_t j = 0; j < n_; ++j) {
      for (std::int64_t i = 0; i < j; ++i) ASSERT_EQ(at(l, i, j), -7.0);
      for (std::int64_t i = j; i < n_; ++i)
        worst = std::max(worst, std::abs(at(l, i, j) - at(expected, i, j)));
      ASSERT_EQ(stripes.diagonal(j), at(l, j, j));
    }
    EXPECT_LT(worst, 1e-13 * static_cast<double>(n_ + 9));
    EXPECT_EQ(l, first) << threads;
  }
}

TEST_P(StripesOf, TheInverseTimesTheFactorIsTheIdentityOnAnyNumberOfThreads) {
  const std::vector<double> l = expected_factor();
  std::vector<double> first;
  for (const int threads : {1, 3}) {
    Pool pool(threads);
    Stripes stripes = factorised(pool);
    stripes.invert(pool);
    std::vector<double> x(a_.size(), 0.0);
    for (std::int64_t j = 0; j < n_; ++j) {
      const double* from = stripes.inverse_from(j, j);
      for (std::int64_t i = j; i < n_; ++i) x[size_of(j * ld_ + i)] = from[(i - j) * stripes.height()];
    }
    if (first.empty()) first = x;
    EXPECT_EQ(x, first) << threads;
  }
  double worst = 0;
  for (std::int64_t j = 0; j < n_; j += std::max<std::int64_t>(1, n_ / 40)) {
    for (std::int64_t i = j; i < n_; ++i) {
      double sum = 0;
      for (std::int64_t k = j; k <= i; ++k) sum += at(l, i, k) * at(first, k, j);
      worst = std::max(worst, std::abs(sum - (i == j ? 1.0 : 0.0)));
    }
  }
  EXPECT_LT(worst, 1e-12);
}

TEST_P(StripesOf, BlocksOfTheInverseAndSolutionsAgreeWithTheMatrix) {
  Pool pool(2);
  Stripes stripes = factorised(pool);
  stripes.invert(pool);
  const auto a = [&](std::int64_t i, std::int64_t j) { return at(a_, std::max(i, j), std::min(i, j)); };
  Random random(2, 0, Purpose::candidates);
  const std::int64_t room = padded_rows(n_);
  std::vector<double> x(size_of(room)), solved(size_of(room), std::nan(""));
  for (std::int64_t i = 0; i < n_; ++i) x[size_of(i)] = random.normal();
  const std::vector<double> right = x;
  stripes.solve(x.data());
  stripes.multiply_inverse_transposed(x.data(), solved.data());
  for (std::int64_t i = 0; i < n_; i += std::max<std::int64_t>(1, n_ / 40)) {
    double sum = 0;
    for (std::int64_t k = 0; k < n_; ++k) sum += a(i, k) * solved[size_of(k)];
    EXPECT_NEAR(sum, right[size_of(i)], 1e-11) << i;
  }
  const std::int64_t block = stripes.block();
  std::vector<double> inverse(a_.size()), tile(size_of((block + 2) * block));
  for (std::int64_t i0 = 0; i0 < n_; i0 += block) {
    for (std::int64_t j0 = 0; j0 <= i0; j0 += block) {
      std::fill(tile.begin(), tile.end(), std::nan(""));
      stripes.inverse_block(i0, j0, tile.data(), block + 2);
      for (std::int64_t j = j0; j < std::min(n_, j0 + block); ++j) {
        for (std::int64_t i = std::max(i0, j); i < std::min(n_, i0 + block); ++i) {
          inverse[size_of(j * ld_ + i)] = tile[size_of((j - j0) * (block + 2) + i - i0)];
        }
      }
    }
  }
  double worst = 0;
  for (std::int64_t i = 0; i < n_; i += std::max<std::int64_t>(1, n_ / 40)) {
    for (std::int64_t j = 0; j < n_; j += std::max<std::int64_t>(1, n_ / 40)) {
      double sum = 0;
      for (std::int64_t k = 0; k < n_; ++k) sum += at(inverse, std::max(i, k), std::min(i, k)) * a(k, j);
      worst = std::max(worst, std::abs(sum - (i == j ? 1.0 : 0.0)));
    }
  }
  EXPECT_LT(worst, 1e-12);
}

TEST_P(StripesOf, AFactorThatIsKnownIsInvertedTheSame) {
  Pool pool(2);
  Stripes stripes = factorised(pool);
  const std::vector<double> l = factor_of(stripes);
  stripes.invert(pool);
  Stripes taken;
  taken.resize(tiles_, n_);
  taken.set_columns(0, n_, l.data(), ld_);
  taken.take_factor();
  taken.invert(pool);
  for (std::int64_t j = 0; j < n_; ++j) {
    for (std::int64_t i = j; i < n_; ++i) {
      ASSERT_NEAR(*taken.inverse_from(i, j), *stripes.inverse_from(i, j), 1e-13);
    }
  }
}

TEST_P(StripesOf, AMinorThatFailsIsNamed) {
  Pool pool(2);
  for (const std::int64_t bad : {std::int64_t{0}, n_ / 2, n_ - 1}) {
    const double before = a_[size_of(bad * ld_ + bad)];
    for (const double value : {-1.0, 0.0, std::nan(""), static_cast<double>(INFINITY)}) {
      a_[size_of(bad * ld_ + bad)] = value;
      Stripes stripes;
      stripes.resize(tiles_, n_);
      stripes.set_columns(0, n_, a_.data(), ld_);
      EXPECT_EQ(stripes.factorise(pool), value <= 0 ? bad + 1 : -1) << bad << " " << value;
    }
    a_[size_of(bad * ld_ + bad)] = before;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, StripesOf,
                         testing::Combine(testing::ValuesIn(cpu_simd_choices()), testing::ValuesIn(kSizes)),
                         [](const auto& of) {
                           return std::get<0>(of.param) + "_" + std::to_string(std::get<1>(of.param));
                         });

TEST(Stripes, OfNoPointsAreFactorised) {
  Pool pool(2);
  Stripes stripes;
  stripes.resize(best_tiles(), 0);
  EXPECT_EQ(stripes.factorise(pool), 0);
  stripes.take_factor();
  stripes.invert(pool);
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
