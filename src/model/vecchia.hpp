#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "model/gp.hpp"

namespace krigon {

/// Gaussian processes of many observations by Vecchia's approximation (Vecchia 1988; Katzfuss and Guinness
/// 2021): with the points in an order, the density of the outputs is a product of conditionals, each given
/// only the m nearest points before it:
///
///   p(z) = prod_i p(z_i | z_before i)  ~  prod_i p(z_i | z_N(i)),  N(i): the m nearest of those before i
///
/// "Nearest" is by distances scaled by the lengthscales (Katzfuss, Guinness, Lawrence 2022), and found anew
/// as these move. With m = n - 1 nothing is approximated. O(n m^3) time, O(n m) memory; the search for
/// neighbours compares all pairs, O(n^2 D), which at 100,000 points is a few seconds.
///
/// For one stationary factor: matern52, matern32 or rbf, with lengthscales by group. Sums, products, linear
/// and periodic covariances are refused with a UsageError: use the exact process (model/gp.hpp), whose
/// contracts hold here too: minimisation, model units, OutputTransform, priors, known noise.
struct VecchiaOptions {
  int neighbours = 31;             ///< m of the fit; m + 1 divisible by 4 is fastest
  int prediction_neighbours = 63;  ///< nearest observations that a prediction is conditioned on
  /// Observations that every prediction is conditioned on, beside its neighbours: drawn at random; they carry
  /// what varies slowly. Take anchors times n doubles of memory, and anchors^2 n multiplications. 0: none.
  /// Fewer where that would be more than half a gigabyte, or 8e10.
  std::size_t anchors = 3072;
  /// Points of the exact fit that the search starts from.
  std::size_t subset = 4000;
  /// Terms of the likelihood that the first refinement looks at; the last one takes all.
  std::size_t sample = 10000;
  int threads = 0;  ///< 0: as the backend's
};

/// Hyperparameters in up to three steps: the exact fit of a random subset, doubled from 1,000 points, beyond
/// 2,000 in at most 12 iterations; then L-BFGS-B on a random sample of the approximation's terms, then on all
/// of them, with neighbours found anew. Either of the last two is kept only where it predicts held-out points
/// better than what was before, and the last is tried only where the one before was kept. Up to `subset`
/// points the first step is all, and exact. `options` as for fit(): its starts are tried on the subset, its
/// tolerance grows with sqrt(n / 1000), as the likelihood's curvature does. log_posterior: the
/// approximation's. evaluations: of the approximation, a sample counted as one; iterations: of L-BFGS-B on
/// it. A function of its arguments alone, bit for bit on one build and CPU kind, on any number of threads.
FitResult fit_vecchia(Backend& backend, const GpData& data, const FitOptions& options,
                      const VecchiaOptions& vecchia = {});

/// The approximation's log density of the data and its gradient, in the order of ThetaLayout, without the
/// priors; for comparisons. Not finite where a conditional has no positive variance, whatever the jitter.
struct VecchiaDensity {
  double log_density = 0;
  std::vector<double> gradient;
  double jitter = 0;  ///< that was needed
};
VecchiaDensity vecchia_density(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
                               const OutputTransform& transform, const VecchiaOptions& vecchia = {});

/// Predictions, each given the anchors and the nearest observations, in model units and without noise: what
/// varies slowly is carried by the anchors, what varies near by, by the neighbours. (Vecchia's approximation
/// with the anchors first in the order and in every conditioning set.) Not thread-safe.
class VecchiaPosterior final : public MarginalPosterior {
 public:
  VecchiaPosterior(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
                   const OutputTransform& transform, const VecchiaOptions& vecchia = {});
  VecchiaPosterior(VecchiaPosterior&&) noexcept;
  VecchiaPosterior& operator=(VecchiaPosterior&&) noexcept;
  ~VecchiaPosterior() override;

  /// failed: data or hyperparameters are not finite, and the prior is used; note() says so. Where a single
  /// candidate's neighbours need jitter they get it (as Posterior's K does), and where none helps, that
  /// candidate alone is predicted by the anchors or, without those, the prior: see fallbacks().
  FitStatus status() const override;
  const std::string& note() const override;
  std::size_t fallbacks() const;  ///< candidates so far that were predicted without neighbours

  std::size_t size() const override;
  std::size_t pending() const override;
  std::size_t column_count() const override;
  const Hyperparameters& hyperparameters() const override;
  const OutputTransform& transform() const override;
  std::span<const double> targets() const override;
  double best_target() const override;

  /// A candidate that is not finite gets NaN.
  void evaluate(std::span<const double> x, std::span<double> mean, std::span<double> variance) override;
  /// Derivatives are exact for the neighbours at hand; mean and variance jump a little where the set of
  /// neighbours changes.
  void evaluate_with_gradient(std::span<const double> x, std::span<double> mean, std::span<double> variance,
                              const Adjoint& adjoint, std::span<double> dx) override;

  /// O(n D + A^2) each.
  void condition_on(std::span<const double> x) override;
  void forget_pending() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon
