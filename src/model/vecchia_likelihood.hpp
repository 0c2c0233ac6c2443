#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backend/pool.hpp"
#include "model/gp.hpp"
#include "model/vecchia.hpp"
#include "model/vecchia_neighbours.hpp"
#include "model/vecchia_tiles.hpp"

namespace krigon::detail {

/// The one stationary factor. Throws UsageError, `what` first, where the covariance is another.
CovarianceFactor stationary_factor(const CovarianceSpec& spec, std::string_view what);
/// The threads and the instruction set of a backend.
std::unique_ptr<Pool> vecchia_pool(const Backend& backend, const VecchiaOptions& options);
const VecchiaTiles& vecchia_tiles(const Backend& backend);

/// A thread's memory for one batch.
class VecchiaSpace {
 public:
  void need(const VecchiaTiles& tiles, std::int64_t slots, std::int64_t dims);
  /// Puts point `x` (dims) in slot `slot` of lane `lane`, with its residual and diagonal.
  void set(std::int64_t slot, std::int64_t lane, const double* x, double residual, double diagonal) {
    const std::int64_t step = padded_slots(slots_) * lanes_;
    double* to = x_ + slot * lanes_ + lane;
    for (std::int64_t k = 0; k < dims_; ++k) to[k * step] = x[k];
    residual_[slot * lanes_ + lane] = residual;
    diagonal_[slot * lanes_ + lane] = diagonal;
  }
  void count(std::int64_t lane, std::int64_t neighbours) { counts_[lane] = neighbours; }
  VecchiaBatch batch(std::int32_t kind, double signal, double floor) const {
    return {kind, slots_, dims_, x_, residual_, diagonal_, counts_, signal, floor, work_};
  }
  double* out() const { return out_; }
  double* diagonal() const { return diagonal_; }
  std::int64_t slots() const { return slots_; }

 private:
  std::int64_t slots_ = 0, dims_ = 0, lanes_ = 0;
  std::vector<double> memory_;
  std::int64_t counts_[16] = {};
  double *x_ = nullptr, *residual_ = nullptr, *diagonal_ = nullptr, *out_ = nullptr, *work_ = nullptr;
};

/// The negative log posterior of hyperparameters under Vecchia's approximation.
class VecchiaLikelihood {
 public:
  /// z, noise: in model units; noise may be empty. No prior where `priors` is null.
  VecchiaLikelihood(Pool& pool, const VecchiaTiles& tiles, const GpData& data, std::span<const double> z,
                    std::span<const double> noise, const Priors* priors);

  /// Orders the points and finds neighbours for these hyperparameters. `terms`: how many of the conditionals
  /// are looked at, drawn at random, their sum scaled up to all.
  void condition(std::span<const double> theta, std::size_t neighbours, std::size_t terms,
                 std::uint64_t seed);

  std::size_t dimension() const { return static_cast<std::size_t>(layout_.parameters()); }
  const std::vector<double>& lower() const { return lower_; }
  const std::vector<double>& upper() const { return upper_; }
  int evaluations() const { return evaluations_; }
  double jitter() const { return jitter_; }

  /// Value and gradient at one row of theta. NaN where no jitter helps.
  void operator()(std::span<const double> theta, double& value, std::span<double> gradient);

 private:
  void scale(std::span<const double> theta);
  bool evaluate(std::span<const double> theta, double jitter, double& value, std::span<double> gradient);

  Pool& pool_;
  const VecchiaTiles& tiles_;
  CovarianceFactor factor_;
  ThetaLayout layout_;
  const Priors* priors_;
  std::size_t n_, dims_;
  std::vector<double> x_, z_, noise_;            ///< as given; x: the factor's columns
  std::vector<double> scaled_, target_, known_;  ///< in order
  std::vector<std::int32_t> order_, terms_, neighbours_;
  std::size_t width_ = 0;  ///< neighbours of a term
  double weight_ = 1;
  std::vector<double> lower_, upper_, partial_;
  std::vector<VecchiaSpace> spaces_;
  double jitter_ = 0;
  int evaluations_ = 0;
};

}  // namespace krigon::detail
