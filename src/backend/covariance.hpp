#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/covariance_kind.hpp"

namespace krigon {

/// One factor of a product. A column of the data may appear in several factors.
struct CovarianceFactor {
  CovarianceKind kind = CovarianceKind::matern52;
  std::vector<std::int32_t> columns;  ///< of the data, >= 1
  std::vector<std::int32_t> groups;   ///< one per column: the lengthscale that divides it, in [0, G)
  std::vector<std::int32_t> periods;  ///< periodic only, one per column: its period, in [0, P)
  std::int32_t term = 0;              ///< factors of one term multiply, in [0, T)

  bool operator==(const CovarianceFactor&) const = default;
};

/// k(x, x') = sum over terms t of s2_t * product of its factors.
///
/// An unordered categorical is one-hot columns in one group: under a factor of its own (rbf), or inside
/// the distance of another, any two different choices are equally far apart: the exchangeable kernel.
struct CovarianceSpec {
  std::vector<CovarianceFactor> factors;

  /// One Matern-5/2 factor over all columns, grouped so.
  static CovarianceSpec matern52(std::vector<std::int32_t> groups);

  std::int32_t columns() const;   ///< D: one more than the largest column
  std::int32_t groups() const;    ///< G
  std::int32_t periods() const;   ///< P
  std::int32_t terms() const;     ///< T
  std::int32_t features() const;  ///< F: one per column of a factor, two where it is periodic
  /// Throws UsageError: what is empty, out of range, or a number that none uses.
  void check() const;

  bool operator==(const CovarianceSpec&) const = default;
};

/// Which row of theta, of G + P + T + 3 rows, holds what. Logarithms are natural.
///   ln lengthscales (G) | ln periods (P) | ln signal variances (T) | ln noise variance | mean | jitter
/// With jitter > 0, jitter * (sum_t s2_t + t2) is added to K's diagonal.
struct ThetaLayout {
  std::int64_t groups = 0;
  std::int64_t periods = 0;
  std::int64_t terms = 1;

  std::int64_t period() const { return groups; }
  std::int64_t signal() const { return groups + periods; }
  std::int64_t noise() const { return signal() + terms; }
  std::int64_t mean() const { return noise() + 1; }
  std::int64_t jitter() const { return noise() + 2; }
  std::int64_t rows() const { return noise() + 3; }
  std::int64_t parameters() const { return noise() + 2; }  ///< those with a gradient
};

/// A covariance as a backend holds it, and the way from points to features:
///   u = x_k / l                                                   stationary and linear factors
///   u = cos(2 pi x_k / p) / l,  u' = sin(2 pi x_k / p) / l        periodic factors, one after the other
/// in the order of factors and, within one, of its columns. Every derivative goes through features.
class ResidentCovariance {
 public:
  virtual ~ResidentCovariance() = default;
  CovarianceSpec spec;
  ThetaLayout layout;
  std::int64_t columns = 0;   ///< D
  std::int64_t features = 0;  ///< F
};

}  // namespace krigon
