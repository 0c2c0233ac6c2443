#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/covariance.hpp"

namespace krigon {

class Backend;

/// Gaussian-process regression with a constant mean and homoscedastic noise, known noise of single points
/// on top. The covariance is that of the data (backend/covariance.hpp); where none is given, Matern-5/2
/// with one lengthscale per group of columns:
///
///   notation   meaning                                     stored as
///   n, D, G    points, columns, groups of columns
///   x_i        i-th row of `columns`, in the unit cube     n x D, row-major
///   z_i        output, standardised ("model units")        n
///   l_g        lengthscale of group g                      log_lengthscale[g]
///   s2         signal variance, of the latent function     log_signal_variance
///   t2         noise variance                              log_noise_variance
///   c          constant mean                               mean
///
///   r2(x, x') = sum_k (x_k - x'_k)^2 / l_{g(k)}^2
///   k(x, x')  = s2 (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r)
///   K         = [k(x_i, x_j)] + t2 I
///
/// An unordered categorical of c choices is c one-hot columns in one group: any two different
/// choices are then equally far apart, which is the exchangeable (Hamming) kernel with a lengthscale
/// of its own.
struct GpData {
  std::size_t n = 0;
  std::vector<double> columns;       ///< n x D, row-major; every entry finite, normally in [0, 1]
  std::vector<double> y;             ///< n, smaller is better, in raw units, finite
  std::vector<std::int32_t> groups;  ///< D entries: the column's group, in [0, G), each group in use
  /// Over these columns; where it has no factor, Matern-5/2 by `groups`. Where it has, only the number of
  /// `groups` counts, as that of the columns.
  CovarianceSpec covariance = {};
  /// n known variances of the observations' noise, in squared raw units, >= 0; or empty.
  std::vector<double> noise = {};

  std::size_t column_count() const { return groups.size(); }
  CovarianceSpec spec() const {
    return covariance.factors.empty() ? CovarianceSpec::matern52(groups) : covariance;
  }
  ThetaLayout layout() const;
  std::size_t group_count() const { return static_cast<std::size_t>(layout().groups); }
};

/// All in model units (outputs standardised); logarithms are natural.
struct Hyperparameters {
  std::vector<double> log_lengthscale;              ///< G
  std::vector<double> log_signal_variance = {0.0};  ///< T, one per term of the covariance
  double log_noise_variance = 0;
  double mean = 0;
  std::vector<double> log_period = {};  ///< P

  bool operator==(const Hyperparameters&) const = default;
};

/// A normal density on the logarithm of a positive hyperparameter, cut off at [lower, upper] (both
/// logarithms too). The mode is at `location`.
struct LogNormalPrior {
  double location = 0;
  double scale = 1;
  double lower = -20;
  double upper = 20;
};

struct Priors {
  LogNormalPrior lengthscale;
  LogNormalPrior period = {-0.7, 0.7, -4, 4};
  LogNormalPrior signal_variance;  ///< of every term
  LogNormalPrior noise_variance;   ///< fixed where lower == upper
  double mean_scale = 1;           ///< the constant mean is normal around 0

  /// Lengthscales that grow with the square root of the number of groups (Hvarfner, Hellsten,
  /// Nardi 2024, "Vanilla Bayesian optimization performs great in high dimensions": the lengthscale
  /// is LogNormal(sqrt(2) + ln(G)/2, sqrt(3)); as a density of l its mode is exp(mu - sigma^2), which
  /// is the `location` here). Signal variance around 1 and a small noise, both weak.
  static Priors for_groups(std::size_t groups);
};

/// The most probable hyperparameters before any data.
Hyperparameters prior_mode(const Priors& priors, const GpData& data);

/// How raw outputs become model units.
enum class OutputScaling {
  standardise,  ///< centre and scale
  /// As `standardise`, after pulling extremely bad values in. With q = the 80 % quantile and
  /// w = 5 (q - min), whatever lies above q + w is compressed to q + w + w ln(1 + ln(1 + excess/w)):
  /// one diverged trial must not flatten the rest.
  winsorise,
  /// The same with q = the median (where that is the minimum, the lowest value above it) and w = q - min.
  /// Expected improvement only asks about the good side, which many bad values flatten too, such as a
  /// fifth of the trials that diverge: what is to be gained among the good is then small beside what any
  /// far corner might bring. Not for predictions of the bad side.
  winsorise_half,
};

/// z = forward(y): increasing (where rounding allows, strictly), finite for every finite y; 1e300 and
/// constant outputs included.
struct OutputTransform {
  double factor = 1;       ///< y is first multiplied by this power of two, against overflow
  double knee = INFINITY;  ///< of y * factor; values above are compressed
  double knee_width = 1;
  double centre = 0;  ///< of the compressed values
  double spread = 1;  ///< > 0

  static OutputTransform of(std::span<const double> y, OutputScaling scaling);
  double forward(double y) const;
  /// Of a variance of differences, where nothing is compressed.
  double forward_variance(double variance) const {
    const double scale = factor / spread;
    return variance * scale * scale;
  }
  /// The raw value whose model value is z, within rounding.
  double inverse(double z) const;
};

struct FitOptions {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  ///< random numbers are a function of (seed, stream): the trial's number
  /// The warm start where there is one, then the prior's mode, then scattered by the prior (both with a
  /// noise variance of at least 0.01); >= 1.
  /// Beyond kScreenPoints points, several starts are tried on a part of the points, drawn at random. Then the
  /// first start and the best end are searched from on all; one that falls hopelessly behind the other, or
  /// is in the basin where it has ended, ends, and with a warm start the one behind after a few steps.
  int starts = 4;
  std::optional<Hyperparameters> warm_start;
  std::optional<Priors> priors;  ///< Priors::for_groups(G) where absent
  OutputScaling output = OutputScaling::winsorise;
  int max_iterations = 100;  ///< of L-BFGS-B, per start
  double tolerance = 0.05;   ///< stop when no entry of the projected gradient exceeds this (nats)
  bool optimise = true;      ///< false: take warm_start (or the prior mode) as it is
};

/// All starts of a fit of up to so many points are refined on all of them.
inline constexpr std::size_t kScreenPoints = 128;

enum class FitStatus {
  ok,         ///< the best start converged or ran out of iterations
  fell_back,  ///< usable, but see `note`: jitter was needed, or the prior's mode was taken
  failed,     ///< not usable: see `note`; hyperparameters are the prior's mode
};

struct FitResult {
  FitStatus status = FitStatus::failed;
  std::string note;  ///< empty when ok; else which step was taken and why, in words
  Hyperparameters hyperparameters;
  OutputTransform transform;
  double log_posterior = 0;  ///< log likelihood + log priors at the hyperparameters, in nats
  int evaluations = 0;       ///< of the likelihood and its gradient, over all starts
  int iterations = 0;        ///< lockstep iterations
  double jitter = 0;         ///< relative to K's mean diagonal; 0 normally
};

/// Maximum a posteriori hyperparameters. Numerical trouble is a status, never an exception; shapes
/// that do not match are a UsageError. n = 0 gives the prior's mode with status ok.
/// A function of its arguments alone, bit for bit on one build, CPU kind and thread count.
FitResult fit(Backend& backend, const GpData& data, const FitOptions& options);

/// Posterior moments of f (without noise) at single points: everything in model units. What search for the
/// next point needs, whatever stands behind it: Posterior, or VecchiaPosterior for many observations.
/// Not thread-safe, evaluation included (work space is owned).
class MarginalPosterior {
 public:
  /// Gives d value_j / d mean_j and d value_j / d variance_j of candidates `first`, first + 1, ...
  using Adjoint =
      std::function<void(std::size_t first, std::span<const double> mean, std::span<const double> variance,
                         std::span<double> d_mean, std::span<double> d_variance)>;

  virtual ~MarginalPosterior() = default;

  /// failed: the prior is used (mean c, variance s2), and note() says why.
  virtual FitStatus status() const = 0;
  virtual const std::string& note() const = 0;

  virtual std::size_t size() const = 0;          ///< points, the pending included
  virtual std::size_t pending() const = 0;       ///< of these, how many came by condition_on
  virtual std::size_t column_count() const = 0;  ///< D
  virtual const Hyperparameters& hyperparameters() const = 0;
  virtual const OutputTransform& transform() const = 0;
  /// z_i of every point, the pending ones' fantasies at the end.
  virtual std::span<const double> targets() const = 0;
  /// The smallest z_i of the points that were really observed; infinity when there are none.
  virtual double best_target() const = 0;

  /// Mean and variance of f at m candidates (m x D, row-major). variance > 0: rounding is cut off at
  /// 1e-18 s2.
  virtual void evaluate(std::span<const double> x, std::span<double> mean, std::span<double> variance) = 0;
  /// One pass for values and gradients: computes mean and variance, calls `adjoint` for all of them, some
  /// at a time and in order, and writes dx (m x D, row-major) = d_mean_j * d mean_j/dx_j + d_variance_j * d
  /// variance_j/dx_j.
  virtual void evaluate_with_gradient(std::span<const double> x, std::span<double> mean,
                                      std::span<double> variance, const Adjoint& adjoint,
                                      std::span<double> dx) = 0;

  /// Adds pending points (k x D) with the posterior mean as their value ("kriging believer",
  /// Ginsbourger, Le Riche, Carraro 2010): the mean stays, the variance shrinks.
  virtual void condition_on(std::span<const double> x) = 0;
  /// Takes the points of condition_on off again.
  virtual void forget_pending() = 0;

 protected:
  MarginalPosterior() = default;
  MarginalPosterior(MarginalPosterior&&) = default;
  MarginalPosterior& operator=(MarginalPosterior&&) = default;
};

/// A prepared posterior, exact. Movable.
class Posterior final : public MarginalPosterior {
 public:
  /// Factorises once, O(n^3). Jitter is added where K is not positive definite: none first, then
  /// 1e-8 of K's mean diagonal and tenfold steps; see status().
  Posterior(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
            const OutputTransform& transform);
  Posterior(Posterior&&) noexcept;
  Posterior& operator=(Posterior&&) noexcept;
  Posterior(const Posterior&) = delete;
  Posterior& operator=(const Posterior&) = delete;
  ~Posterior() override;

  FitStatus status() const override;
  const std::string& note() const override;
  double jitter() const;

  std::size_t size() const override;
  std::size_t pending() const override;
  std::size_t column_count() const override;
  const Hyperparameters& hyperparameters() const override;
  const OutputTransform& transform() const override;
  std::span<const double> targets() const override;
  double best_target() const override;

  void evaluate(std::span<const double> x, std::span<double> mean, std::span<double> variance) override;
  void evaluate_with_gradient(std::span<const double> x, std::span<double> mean, std::span<double> variance,
                              const Adjoint& adjoint, std::span<double> dx) override;

  /// Joint moments of groups of q candidates (x: m q x D). `moments`: m times q means, then the q x q
  /// covariance. Symmetric; rounding may leave it a little indefinite.
  void evaluate_joint(std::span<const double> x, std::size_t q, std::span<double> moments);
  /// Given moments as evaluate_joint writes them, the derivatives of all that is wanted, in the same
  /// places.
  using JointAdjoint = std::function<void(std::span<const double> moments, std::span<double> adjoint)>;
  /// As evaluate_with_gradient. dx: m q x D.
  void evaluate_joint_with_gradient(std::span<const double> x, std::size_t q, std::span<double> moments,
                                    const JointAdjoint& adjoint, std::span<double> dx);

  /// `count` joint draws of f at m points (m x D): count x m, row-major. O(m^3); for many points: paths().
  std::vector<double> sample(std::span<const double> x, std::size_t count, std::uint64_t seed);

  struct LeaveOneOut {
    std::vector<double> mean;           ///< of each point's observation, by all others
    std::vector<double> variance;       ///< noise included
    double log_predictive_density = 0;  ///< the sum over the points
  };
  /// In closed form (Rasmussen and Williams 2006, eq. 5.10 to 5.12), for the points at hand.
  LeaveOneOut leave_one_out();

  /// O(n^2) each.
  void condition_on(std::span<const double> x) override;
  /// O(n).
  void forget_pending() override;
  /// Adds observed points (k x D; y in raw units, through the transform at hand; known noise variances or
  /// none). O(n^2) each. Forgets the pending first.
  void append(std::span<const double> x, std::span<const double> y, std::span<const double> noise = {});
  /// Takes observed point `index` out. O(n^2). Forgets the pending first.
  void remove(std::size_t index);

 private:
  friend class SamplePaths;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Functions drawn from a posterior, that can be evaluated anywhere at the cost of one matrix product
/// ("pathwise conditioning"): a prior function of random Fourier features (Rahimi and Recht 2007) plus its
/// correction by the data (Wilson et al. 2020). In model units, as f is: without noise.
class SamplePaths {
 public:
  /// A function of its arguments alone. `waves`: random features per term; the error of a draw's
  /// covariance falls with their square root. Throws UsageError where a term multiplies a linear factor
  /// with another. The posterior must outlive this, and its points stay as they are.
  SamplePaths(Posterior& posterior, std::size_t samples, std::uint64_t seed, std::size_t waves = 1024);
  SamplePaths(SamplePaths&&) noexcept;
  SamplePaths& operator=(SamplePaths&&) noexcept;
  ~SamplePaths();

  std::size_t samples() const;
  /// x: m x D, row-major; out: m x samples, row-major.
  void evaluate(std::span<const double> x, std::span<double> out);
  /// One path alone: out, m, and its derivatives dx, m x D, unless that is empty.
  void evaluate_path(std::size_t sample, std::span<const double> x, std::span<double> out,
                     std::span<double> dx = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon
