#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.hpp"

namespace krigon {

/// The coarse operations, each composed once from the primitives: what a new backend has from the first
/// day, and what a fused override is held against.
class ComposedBackend : public Backend {
 public:
  std::unique_ptr<ResidentData> load(const HostData& data) override;
  void mll_value_grad(ResidentData& data, ConstView theta, View out) override;
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) override;
  void posterior(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override;
  void append(ResidentPosterior& model, ConstView x, const double* targets, const double* noise) override;
  void truncate(ResidentPosterior& model, std::int64_t n) override;
  void remove(ResidentPosterior& model, std::int64_t index) override;
  void targets(ResidentPosterior& model, View out) override;
  void weights(ResidentPosterior& model, View alpha, View inverse_diagonal) override;
  std::unique_ptr<ResidentPaths> prepare_paths(ResidentPosterior& model, const HostPaths& paths) override;
  void paths(ResidentPosterior& model, ResidentPaths& paths, ConstView x, View out) override;
  void path(ResidentPosterior& model, ResidentPaths& paths, std::int64_t sample, ConstView x, View out,
            View dx) override;

 protected:
  /// What a path needs of a factorised process: views of one of this backend's.
  struct PathBasis {
    std::shared_ptr<const ResidentCovariance> covariance;
    ConstView theta;
    ConstView features;  ///< F x n
    ConstView factor;    ///< L
    ConstView targets;   ///< of output 0, n x 1
  };
  virtual PathBasis path_basis(ResidentPosterior& model);

  /// Doubles that the work space of one call may take; larger batches go in portions.
  virtual std::int64_t work_budget() const { return std::int64_t{1} << 25; }
};

namespace detail {

/// Throws UsageError where the shapes do not match, or the covariance is wrong in itself.
void check_data(const HostData& data);

/// Buffers that grow and stay, by number. What one held is lost when it grows.
class WorkSpace {
 public:
  explicit WorkSpace(Backend& backend) : backend_(&backend) {}
  View matrix(std::size_t slot, std::int64_t rows, std::int64_t columns, std::int64_t batch = 1);
  /// Gives back the buffers from this slot up to before that one.
  void release(std::size_t from = 0, std::size_t before = SIZE_MAX);
  /// Rises when a buffer grows or goes, so that what holds the old address can tell.
  std::int64_t generation() const { return generation_; }

 private:
  Backend* backend_;
  std::int64_t generation_ = 0;
  std::vector<Buffer> buffers_;
};

struct ComposedData final : ResidentData {
  explicit ComposedData(Backend& backend) : work(backend) {}
  std::shared_ptr<const ResidentCovariance> covariance;
  Buffer points;   ///< D x n
  Buffer targets;  ///< n x T
  Buffer noise;    ///< n, or empty
  WorkSpace work;
  std::shared_ptr<void> own;  ///< what a backend keeps with it

  ConstView points_view() const { return {points.data(), columns, n, columns}; }
  ConstView targets_view() const { return {targets.data(), n, outputs, n < 1 ? 1 : n}; }
  ConstView noise_view() const { return {noise.data(), noise.data() == nullptr ? 0 : n, 1, n < 1 ? 1 : n}; }
};

struct ComposedPosterior final : ResidentPosterior {
  explicit ComposedPosterior(Backend& backend) : work(backend) {}
  std::shared_ptr<const ResidentCovariance> covariance;
  std::int64_t capacity = 0;  ///< points that fit
  std::int64_t fixed = 0;     ///< truncate may not go below
  Buffer theta;               ///< one column
  Buffer features;            ///< F x capacity
  Buffer factor;              ///< L, capacity x capacity
  Buffer alpha;               ///< K^-1 (target - c), capacity x T
  Buffer targets;             ///< capacity x T
  WorkSpace work;
  std::shared_ptr<void> own;  ///< what a backend keeps with it
  // Of the last posterior_for_vjp.
  std::int64_t kept = 0, kept_q = 0;

  ThetaLayout layout;

  /// Room for so many points; what is there stays.
  void reserve(Backend& backend, std::int64_t wanted);
  void solve_alpha(Backend& backend);
  /// Gives back the work space: all, or all but what posterior_for_vjp kept.
  void release_work(bool kept_too);
  View kept_points();  ///< of the last posterior_for_vjp

  std::int64_t leading() const { return capacity < 1 ? 1 : capacity; }
  ConstView theta_view() const { return {theta.data(), layout.rows(), 1, layout.rows()}; }
  ConstView mean_view() const { return {theta.data() + layout.mean(), 1, 1, 1}; }
  View features_view() const { return {features.data(), covariance->features, n, covariance->features}; }
  View factor_view() const { return {factor.data(), n, n, leading()}; }
  View alpha_view() const { return {alpha.data(), n, outputs, leading()}; }
  View targets_view() const { return {targets.data(), n, outputs, leading()}; }
};

}  // namespace detail
}  // namespace krigon
