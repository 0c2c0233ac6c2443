#pragma once

#include <memory>
#include <string>

#include "backend/composed.hpp"
#include "kernels/cuda/context.hpp"
#include "kernels/cuda/matrix.hpp"

namespace krigon::cuda {

struct CudaOptions {
  int device = 0;
  /// Matrices up to this order are factorised as a batch, larger ones one by one.
  std::int64_t batched_order = 512;
};

class CudaCovariance final : public ResidentCovariance {
 public:
  CudaCovariance(Context& context, const CovarianceSpec& specification);
  ~CudaCovariance() override { context_.free(memory_); }
  CudaCovariance(const CudaCovariance&) = delete;
  CudaCovariance& operator=(const CudaCovariance&) = delete;

  CovarianceTable table;

 private:
  Context& context_;
  void* memory_ = nullptr;
};

/// The seam on an NVIDIA GPU: cuSOLVER and cuBLAS for dense linear algebra, own kernels for the rest.
class CudaBackend final : public ComposedBackend {
 public:
  explicit CudaBackend(const CudaOptions& options);

  BackendInfo info() const override;
  void upload(std::span<const double> from, double* to) override;
  void download(const double* from, std::span<double> to) override;

  // cuda_factor.cpp
  void cholesky(View a, double* info) override;
  void cholesky_inverse(View a) override;
  void triangular_inverse(View l) override;
  void triangular_solve(ConstView l, Transpose transpose, View b) override;
  void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose, double beta,
            View c) override;
  void cholesky_append(View l, ConstView row, double floor) override;
  void cholesky_remove(View l, std::int64_t index) override;

  // cuda_elementwise.cpp
  void add(double alpha, ConstView a, double beta, View b) override;
  void reduce(Reduction reduction, ConstView a, ConstView b, View out) override;
  void top_k(ConstView values, View out) override;
  void add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) override;
  void likelihood_adjoint(ConstView alpha, View k) override;
  void finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts, ConstView dtheta,
                         View out) override;
  void waves(ConstView waves, ConstView u, View out) override;

  // cuda_covariance.cpp
  std::unique_ptr<ResidentCovariance> load_covariance(const CovarianceSpec& spec) override;
  void features(const ResidentCovariance& covariance, ConstView x, ConstView theta, View u) override;
  void features_vjp(const ResidentCovariance& covariance, ConstView x, ConstView theta, ConstView du,
                    View dtheta, View dx) override;
  void gram(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta, View k) override;
  void gram_vjp(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta, ConstView dk,
                View du, View dv, View dtheta) override;

  // cuda_portions.cpp
  void mll_value_grad(ResidentData& data, ConstView theta, View out) override;
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) override;
  void posterior(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override;
  void paths(ResidentPosterior& model, ResidentPaths& paths, ConstView x, View out) override;
  void path(ResidentPosterior& model, ResidentPaths& paths, std::int64_t sample, ConstView x, View out,
            View dx) override;

  // cuda_fused.cpp
  void truncate(ResidentPosterior& model, std::int64_t n) override;
  void remove(ResidentPosterior& model, std::int64_t index) override;

 private:
  double* allocate_doubles(std::size_t count) override;
  void free_doubles(double* data) noexcept override;

  /// Device pointers to the members of a batch.
  double** pointers(Scratch use, double* data, std::int64_t stride, std::int64_t batch);
  /// n x n without gaps.
  View square_scratch(Scratch use, std::int64_t n, std::int64_t batch);
  /// L^-1 in the scratch memory `inverse`, 0 above the diagonal.
  View batched_inverse(ConstView l);
  /// Completes `inverse`, whose blocks on the diagonal are done.
  void join_inverses(ConstView l, View inverse);
  // The coarse operations as far as memory goes.
  void likelihood_at_once(detail::ComposedData& data, ConstView theta, View out);
  void posterior_at_once(detail::ComposedPosterior& model, ConstView x, std::int64_t q, View out);
  void posterior_for_vjp_at_once(detail::ComposedPosterior& model, ConstView x, std::int64_t q, View out);
  void posterior_vjp_at_once(detail::ComposedPosterior& model, ConstView adjoint, View dx);
  /// From here on, of the last posterior_for_vjp at x only the points are kept: the adjoint goes in portions.
  void keep_points_alone(detail::ComposedPosterior& model, ConstView x, std::int64_t q);
  /// Gives back work space; what posterior_for_vjp kept is part of it only where asked for.
  void release(detail::ComposedData& data);
  void release(detail::ComposedPosterior& model, bool kept_too);
  /// Makes sure that L^-1 is there.
  void invert_factor(detail::ComposedPosterior& model);
  /// The inverse's rows from this one on are no longer those of the factor's.
  void forget_inverse(detail::ComposedPosterior& model, std::int64_t from);
  void single_moments(detail::ComposedPosterior& model, ConstView x, View out, std::size_t slots);
  bool batched(std::int64_t order) const { return order <= options_.batched_order; }

  CudaOptions options_;
  Context context_;
};

}  // namespace krigon::cuda
