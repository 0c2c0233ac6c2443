#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krigon/error.hpp"

#pragma GCC visibility push(default)

namespace krigon {

class Kernel;
Kernel operator*(const Kernel& a, const Kernel& b);
Kernel operator+(const Kernel& a, const Kernel& b);

/// A covariance function, put together of parts by * and +. Every part has a lengthscale of its own for
/// each of its columns, unless made isotropic(); every term of a sum has a signal variance.
///
///   Kernel::matern52()                                     over all columns
///   Kernel::matern52({0, 1}) * Kernel::categorical({2})    a categorical of any number of choices
///   Kernel::periodic({3}) + Kernel::linear({3})
class Kernel {
 public:
  /// Rasmussen and Williams 2006, eq. 4.17; without columns: over all of them.
  static Kernel matern52(std::vector<std::size_t> columns = {});
  static Kernel matern32(std::vector<std::size_t> columns = {});
  static Kernel rbf(std::vector<std::size_t> columns = {});
  /// e^(-2 sin^2(pi d / p) / l^2), a period for every column (MacKay 1998).
  static Kernel periodic(std::vector<std::size_t> columns = {});
  /// sum_k x_k x'_k / l_k^2, the origin at the middle of the box.
  static Kernel linear(std::vector<std::size_t> columns = {});
  /// Columns that hold the number of a choice, in no order: any two different choices are equally far
  /// apart (exchangeable; Hamming distance). Predictions may be asked for at choices that the data has.
  static Kernel categorical(std::vector<std::size_t> columns);

  /// One lengthscale for all columns of each part.
  Kernel isotropic() const;

  friend Kernel operator*(const Kernel& a, const Kernel& b);
  friend Kernel operator+(const Kernel& a, const Kernel& b);

 private:
  friend class GaussianProcess;
  enum class Part : std::uint8_t { matern52, matern32, rbf, periodic, linear, categorical };
  struct Factor {
    Part part;
    std::vector<std::size_t> columns;
    bool isotropic = false;
  };
  static Kernel of(Part part, std::vector<std::size_t> columns);
  std::vector<std::vector<Factor>> terms_;
};

struct GpOptions {
  Kernel kernel = Kernel::matern52();
  /// The box of the inputs, an entry for each column; empty: the range of the data. Inputs are scaled by
  /// it, so that priors of lengthscales fit any units. Inputs outside it are fine.
  std::vector<double> lower = {}, upper = {};
  /// A known variance of the noise, in squared units of y, the same for all: not fitted then. 0 is fine.
  std::optional<double> noise = {};
  /// Known variances of each observation's noise, on top: n entries, or empty.
  std::vector<double> noise_variances = {};
  std::string device = "auto";  ///< "auto", "cpu", "cuda" or "cuda:1"
  std::uint64_t seed = 0;       ///< of the starts of the fit
  int starts = 4;               ///< of the fit
};

/// What a fit found. Lengthscales and periods as fractions of the box's edges, variances in squared units of
/// y, the mean in units of y.
struct GpHyperparameters {
  std::vector<double> lengthscales;  ///< in the order of the kernel's parts and their columns
  std::vector<double> periods;
  std::vector<double> signal_variances;  ///< of each term
  double noise_variance = 0;
  double mean = 0;
};

/// Gaussian-process regression. Hyperparameters are the most probable ones (maximum a posteriori, with
/// priors that scale with the dimension: Hvarfner, Hellsten, Nardi 2024). All predictions are of the
/// function itself, without noise, in the units of y.
///
/// Points are row-major: m points of d columns are m * d numbers. Shapes that do not match and numbers
/// that are not finite are a UsageError. Numerical trouble never throws: see note(). Not thread-safe.
class GaussianProcess {
 public:
  /// x: n x d, y: n; n >= 1.
  static GaussianProcess fit(std::span<const double> x, std::size_t columns, std::span<const double> y,
                             const GpOptions& options = {});
  GaussianProcess(GaussianProcess&&) noexcept;
  GaussianProcess& operator=(GaussianProcess&&) noexcept;
  ~GaussianProcess();

  std::size_t size() const;     ///< n
  std::size_t columns() const;  ///< d
  GpHyperparameters hyperparameters() const;
  double log_posterior() const;  ///< log likelihood plus log priors of the standardised data, in nats
  /// Empty, or in words where the fit had to fall back: to jitter, or to the prior.
  const std::string& note() const;
  /// The device, and why it was chosen.
  const std::string& device() const;

  /// x: m x d; mean, variance: m.
  void predict(std::span<const double> x, std::span<double> mean, std::span<double> variance);
  /// Also their derivatives by x: d_mean, d_variance: m x d.
  void predict_with_gradient(std::span<const double> x, std::span<double> mean, std::span<double> variance,
                             std::span<double> d_mean, std::span<double> d_variance);
  /// covariance: m x m.
  void predict_joint(std::span<const double> x, std::span<double> mean, std::span<double> covariance);
  /// `count` joint draws at m points: count x m.
  std::vector<double> sample(std::span<const double> x, std::size_t count, std::uint64_t seed = 0);

  struct LeaveOneOut {
    std::vector<double> mean;           ///< of each observation, by all others
    std::vector<double> variance;       ///< noise included
    double log_predictive_density = 0;  ///< the sum over the points, for y in its units
  };
  LeaveOneOut leave_one_out();

  /// Adds points at the hyperparameters at hand, O(n^2) each; refit() fits them anew.
  void append(std::span<const double> x, std::span<const double> y,
              std::span<const double> noise_variances = {});
  /// Takes point `index` out, O(n^2). At least one point stays.
  void remove(std::size_t index);
  void refit();

 private:
  friend struct ProcessAccess;
  struct Impl;
  explicit GaussianProcess(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon

#pragma GCC visibility pop
