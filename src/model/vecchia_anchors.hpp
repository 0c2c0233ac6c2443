#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/pool.hpp"
#include "backend/tiles.hpp"
#include "model/gp.hpp"
#include "model/vecchia_neighbours.hpp"
#include "model/vecchia_tiles.hpp"

namespace krigon::detail {

/// Predictions given A anchors, points that every prediction is conditioned on, and the nearest of the other
/// points: the anchors carry what varies slowly, the neighbours what varies near by. (Vecchia's approximation
/// with the anchors first in the order and in every conditioning set; the "full-scale" idea of Sang and Huang
/// 2012, exact for the two sets together.)
///
///   S the anchors, N the neighbours of x         L L' = K_SS + noise,  v(x) = L^-1 k(S, x),  y = L^-1 r_S
///   C = K_NN + noise - V_N' V_N                  c = k(N, x) - V_N' v(x)
///   mean = v' y + c' C^-1 (r_N - V_N' y)         variance = s2 - v' v - c' C^-1 c
///
/// V holds v of every other point: A n doubles.
class AnchoredPredictor {
 public:
  struct Model {
    CovarianceKind kind = CovarianceKind::matern52;
    double signal = 1;
    double noise = 0;
    double mean = 0;
    std::size_t dims = 0;
  };

  /// points: n x dims, scaled; targets, known noise: n. anchors: their indices. Not usable where ok() is
  /// false: the anchors' covariance is not positive definite, whatever the jitter.
  AnchoredPredictor(Pool& pool, const Tiles& tiles, const VecchiaTiles& search, const Model& model,
                    std::span<const double> points, std::span<const double> targets,
                    std::span<const double> known, std::span<const std::int32_t> anchors,
                    std::size_t neighbours);
  ~AnchoredPredictor();

  bool ok() const { return ok_; }
  double jitter() const { return jitter_; }

  /// z: m x dims, scaled. by_z, unless empty: per candidate the derivatives of its mean, then of its
  /// variance. The number of candidates whose neighbours could not be used: they are predicted by the anchors
  /// alone.
  std::size_t predict(std::span<const double> z, std::span<double> mean, std::span<double> variance,
                      std::span<double> by_z);
  /// One more point that is no anchor.
  void add(std::span<const double> point, double target, double known);
  /// Takes the newest points that were added off again.
  void drop(std::size_t count);

 private:
  struct Space;
  struct Near;
  /// Mean and variance of one candidate, whose k(S, x) and v(x) are in the space's column j. False where the
  /// neighbours' covariance is not positive definite, whatever the jitter, or something is not finite.
  bool moments(Space& space, std::size_t j, std::span<const std::int32_t> neighbours, const double* z,
               double& mean, double& variance) const;
  /// Derivatives of the space's first `count` candidates, whose moments are done.
  void derivatives(Space& space, std::size_t count, const double* z, double* by_z) const;
  void conditioned(std::size_t first, std::size_t count);

  Pool& pool_;
  const Tiles& tiles_;
  const VecchiaTiles& search_;
  Model model_;
  std::size_t width_;
  bool ok_ = false;
  double jitter_ = 0;
  std::int64_t anchors_ = 0, leading_ = 0;
  std::vector<double> anchor_x_;  ///< column-major, padded
  std::vector<double> factor_;    ///< L
  std::vector<double> solved_;    ///< y
  // The other points.
  std::vector<double> x_, residual_, known_;  ///< n x dims; less V' y; noise
  std::vector<double> v_;                     ///< V, a column a point
  std::unique_ptr<NearestPoints> nearest_;
  std::vector<Space> spaces_;
};

}  // namespace krigon::detail
