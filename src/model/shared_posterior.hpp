#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "backend/covariance.hpp"
#include "model/gp.hpp"

namespace krigon {

class Backend;

/// The posteriors of T functions that were observed at the same points with the same noise, and so share
/// K: one factorisation, one covariance, T means. All in model units; the constant mean is of all alike.
/// Not thread-safe. Movable. The backend must outlive it.
class SharedPosterior {
 public:
  struct Data {
    std::span<const double> rows;   ///< n x D, row-major
    std::span<const double> noise;  ///< n variances, the whole of it, > 0: the hyperparameters' is not added
    std::span<const double> targets;  ///< n for each of T outputs, one output after the other; T >= 1
  };
  /// UsageError where shapes do not match.
  SharedPosterior(Backend& backend, const CovarianceSpec& spec, const Hyperparameters& hyperparameters,
                  const Data& data);
  SharedPosterior(SharedPosterior&&) noexcept;
  SharedPosterior& operator=(SharedPosterior&&) noexcept;
  ~SharedPosterior();

  std::size_t outputs() const;  ///< T

  /// Moments of groups of q candidates (x: m q x D), for each group q means of output 0, ..., q means of
  /// output T - 1, then the q x q covariance. All NaN where K could not be factorised, whatever the jitter.
  void evaluate(std::span<const double> x, std::size_t q, std::span<double> moments);
  /// Given the moments, the derivatives of all that is wanted, in the same places.
  using Adjoint = std::function<void(std::span<const double> moments, std::span<double> adjoint)>;
  /// The same, and dx (m q x D): what `adjoint` gives, carried to the candidates.
  void evaluate_with_gradient(std::span<const double> x, std::size_t q, std::span<double> moments,
                              const Adjoint& adjoint, std::span<double> dx);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon
