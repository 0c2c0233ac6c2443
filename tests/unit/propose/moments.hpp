#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "optim/sobol.hpp"

namespace krigon {

/// count x q standard normals, quasi-random.
inline std::vector<double> normal_points(std::size_t count, std::size_t q, std::uint64_t seed = 1) {
  const ScrambledSobol sobol(q, seed);
  std::vector<double> z(count * q);
  for (std::size_t s = 0; s < count; ++s) {
    const std::span<double> row(z.data() + s * q, q);
    sobol.point(static_cast<std::uint32_t>(s), row);
    for (double& x : row) x = normal_quantile(x);
  }
  return z;
}

/// Means around `mean`, then the covariance a a' of a random q x (q + 1) a, of variances around `variance`.
inline std::vector<double> random_moments(Random& random, std::size_t q, double mean, double variance,
                                          std::size_t means = 1) {
  std::vector<double> a(q * (q + 1)), moments;
  for (double& x : a) x = random.normal() * std::sqrt(variance / static_cast<double>(q + 1));
  for (std::size_t i = 0; i < means * q; ++i) {
    moments.push_back(mean + 0.5 * std::sqrt(variance) * random.normal());
  }
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = 0; j < q; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k <= q; ++k) sum += a[i * (q + 1) + k] * a[j * (q + 1) + k];
      moments.push_back(sum);
    }
  }
  return moments;
}

/// That `adjoint` is the gradient of `value` by the moments: `means` numbers, then a q x q covariance,
/// whose entries are moved two at a time to stay symmetric.
inline void expect_adjoint(const std::function<double(const std::vector<double>&)>& value,
                           const std::vector<double>& moments, const std::vector<double>& adjoint,
                           std::size_t means, std::size_t q, double tolerance, double step = 1e-6) {
  const auto difference = [&](std::size_t one, std::size_t other, double by) {
    auto up = moments, down = moments;
    up[one] += by;
    down[one] -= by;
    if (other != one) up[other] += by, down[other] -= by;
    return (value(up) - value(down)) / (2 * by);
  };
  for (std::size_t i = 0; i < means; ++i) {
    const double d = difference(i, i, step);
    EXPECT_NEAR(adjoint[i], d, tolerance * (1 + std::abs(d))) << "mean " << i;
  }
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const std::size_t one = means + i * q + j, other = means + j * q + i;
      const double d = difference(one, other, step * moments[means + i * q + i]);
      EXPECT_EQ(adjoint[one], adjoint[other]);
      const double found = i == j ? adjoint[one] : 2 * adjoint[one];
      EXPECT_NEAR(found, d, tolerance * (1 + std::abs(d))) << "covariance " << i << ' ' << j;
    }
  }
}

}  // namespace krigon
