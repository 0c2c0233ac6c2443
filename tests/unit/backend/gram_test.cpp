// Gram matrices of more entries than the conformance suite's, which take ways of their own through memory.

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "kernels/covariance.hpp"

namespace krigon {
namespace {

constexpr std::int64_t kColumns = 3;

std::vector<double> points(std::int64_t n) {
  Random random(1, static_cast<std::uint64_t>(n), Purpose::candidates);
  std::vector<double> x;
  for (std::int64_t i = 0; i < n * kColumns; ++i) x.push_back(random.uniform());
  return x;
}

/// Sum of a Matern and a linear term, of points that are scaled already.
double expected(const double* a, const double* b) {
  double squared = 0;
  double product = 0;
  for (std::int64_t k = 0; k < kColumns; ++k) {
    squared += (a[k] - b[k]) * (a[k] - b[k]);
    product += a[k] * b[k];
  }
  return 1.5 * stationary_value(CovarianceKind::matern52, squared).value + 0.5 * product;
}

TEST(LargeGram, EntriesAreWhatTheyAreInSmallOnes) {
  CovarianceSpec spec;
  spec.factors = {
      {.kind = CovarianceKind::matern52, .columns = {0, 1, 2}, .groups = {0, 1, 2}, .periods = {}, .term = 0},
      {.kind = CovarianceKind::linear, .columns = {0, 1, 2}, .groups = {0, 1, 2}, .periods = {}, .term = 1}};
  const auto backend = make_cpu_backend({.threads = 2, .simd = ""});
  const auto covariance = backend->load_covariance(spec);
  std::vector<double> theta(static_cast<std::size_t>(covariance->layout.rows()), 0.0);
  theta[static_cast<std::size_t>(covariance->layout.signal())] = std::log(1.5);
  theta[static_cast<std::size_t>(covariance->layout.signal() + 1)] = std::log(0.5);
  const std::vector<double> x = points(1300), z = points(1100);
  const auto doubled = [](const std::vector<double>& from) {
    std::vector<double> to;
    for (std::size_t i = 0; i < from.size(); i += kColumns) {
      for (int twice = 0; twice < 2; ++twice) to.insert(to.end(), &from[i], &from[i] + kColumns);
    }
    return to;
  };
  const std::vector<double> u = doubled(x), v = doubled(z);
  const ConstView t{theta.data(), covariance->layout.rows(), 1, covariance->layout.rows()};
  // Leading dimensions and beginnings that no line of a cache is aligned with.
  for (const std::int64_t offset : {0, 1, 3}) {
    const std::int64_t ld = 1300 + offset;
    std::vector<double> k(static_cast<std::size_t>(ld * 1300 + offset), -7.0);
    const auto compare = [&](const std::vector<double>& other, std::int64_t m) {
      double worst = 0;
      for (std::int64_t j = 0; j < m; ++j) {
        const double* column = k.data() + offset + j * ld;
        for (std::int64_t i = 0; i < 1300; ++i) {
          worst =
              std::max(worst, std::abs(column[i] - expected(&x[static_cast<std::size_t>(i * kColumns)],
                                                            &other[static_cast<std::size_t>(j * kColumns)])));
        }
        for (std::int64_t i = 1300; i < (j + 1 < m ? ld : 1300); ++i) EXPECT_EQ(column[i], -7.0);
      }
      EXPECT_LT(worst, 1e-13);
    };
    backend->gram(*covariance, {u.data(), 2 * kColumns, 1300, 2 * kColumns},
                  {v.data(), 2 * kColumns, 1100, 2 * kColumns}, t, {k.data() + offset, 1300, 1100, ld});
    compare(z, 1100);
    backend->gram(*covariance, {u.data(), 2 * kColumns, 1300, 2 * kColumns},
                  {u.data(), 2 * kColumns, 1300, 2 * kColumns}, t, {k.data() + offset, 1300, 1300, ld});
    compare(x, 1300);
  }
}

}  // namespace
}  // namespace krigon
