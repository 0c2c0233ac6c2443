#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends.hpp"

namespace krigon {

using Theta = std::vector<double>;

struct NamedSpec {
  const char* name;
  CovarianceSpec spec;
};

/// Every kind of factor, alone, as products and as sums of them.
std::vector<NamedSpec> covariance_specs();
ThetaLayout layout_of(const CovarianceSpec& spec);
/// By its definition.
double naive_covariance(const CovarianceSpec& spec, const Theta& theta, const double* x, const double* z);

/// What is made of a covariance: by a backend, and by its definition in plain loops.
class CovarianceConformance : public BackendConformance {
 protected:
  static constexpr std::int64_t kColumns = 3;

  struct Problem {
    std::int64_t n;
    std::int64_t outputs = 1;
    std::vector<double> columns, targets, noise;
    CovarianceSpec spec;
    HostData host() const { return {n, columns, targets, noise, spec}; }
  };
  Problem problem(const CovarianceSpec& spec, std::int64_t n, std::int64_t outputs = 1, bool noisy = false);
  Theta theta(const CovarianceSpec& spec, double jitter = 0);

  Device column(const std::vector<double>& values);
  Device points(const std::vector<double>& rows);

  /// K with the noise, column-major.
  static naive::Matrix noisy_covariance(const Problem& p, const Theta& t);
  static double naive_likelihood(const Problem& p, const Theta& t);
  struct Moments {
    std::vector<double> mean;        ///< q x T
    std::vector<double> covariance;  ///< q x q
  };
  /// Of one group of points (rows).
  static Moments naive_moments(const Problem& p, const Theta& t, const std::vector<double>& x);

  std::unique_ptr<ResidentPosterior> prepared(ResidentData& data, const Theta& t);
  std::vector<double> moments(ResidentPosterior& model, const std::vector<double>& x, std::int64_t q);
  void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double tolerance);
};

}  // namespace krigon
