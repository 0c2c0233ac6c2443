#pragma once

#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "backend/backend.hpp"

namespace krigon::testing {

/// A backend of the host that computes as another does, except where it is told to fail numerically.
class FaultyBackend final : public Backend {
 public:
  explicit FaultyBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)) {}

  bool fail_likelihood = false;  ///< no likelihood is finite: every fit fails
  int fail_prepare = 0;          ///< so many factorisations to come fail

  void mll_value_grad(ResidentData& data, ConstView theta, View out) override {
    inner_->mll_value_grad(data, theta, out);
    if (!fail_likelihood) return;
    for (std::int64_t j = 0; j < out.columns; ++j) {
      for (std::int64_t i = 0; i < out.rows; ++i) {
        out.column(j)[i] = i == 0 ? 1 : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) override {
    auto posterior = inner_->prepare(data, theta, info);
    if (fail_prepare > 0) {
      --fail_prepare;
      *info = 1;
    }
    return posterior;
  }

  BackendInfo info() const override { return inner_->info(); }
  void upload(std::span<const double> from, double* to) override { inner_->upload(from, to); }
  void download(const double* from, std::span<double> to) override { inner_->download(from, to); }
  void cholesky(View a, double* info) override { inner_->cholesky(a, info); }
  void cholesky_inverse(View a) override { inner_->cholesky_inverse(a); }
  void triangular_inverse(View l) override { inner_->triangular_inverse(l); }
  void triangular_solve(ConstView l, Transpose transpose, View b) override {
    inner_->triangular_solve(l, transpose, b);
  }
  void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose, double beta,
            View c) override {
    inner_->gemm(alpha, a, a_transpose, b, b_transpose, beta, c);
  }
  void cholesky_append(View l, ConstView row, double floor) override {
    inner_->cholesky_append(l, row, floor);
  }
  void cholesky_remove(View l, std::int64_t index) override { inner_->cholesky_remove(l, index); }
  void add(double alpha, ConstView a, double beta, View b) override { inner_->add(alpha, a, beta, b); }
  void reduce(Reduction reduction, ConstView a, ConstView b, View out) override {
    inner_->reduce(reduction, a, b, out);
  }
  void top_k(ConstView values, View out) override { inner_->top_k(values, out); }
  std::unique_ptr<ResidentCovariance> load_covariance(const CovarianceSpec& spec) override {
    return inner_->load_covariance(spec);
  }
  void features(const ResidentCovariance& covariance, ConstView x, ConstView theta, View u) override {
    inner_->features(covariance, x, theta, u);
  }
  void features_vjp(const ResidentCovariance& covariance, ConstView x, ConstView theta, ConstView du,
                    View dtheta, View dx) override {
    inner_->features_vjp(covariance, x, theta, du, dtheta, dx);
  }
  void gram(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta,
            View k) override {
    inner_->gram(covariance, u, v, theta, k);
  }
  void gram_vjp(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta, ConstView dk,
                View du, View dv, View dtheta) override {
    inner_->gram_vjp(covariance, u, v, theta, dk, du, dv, dtheta);
  }
  void add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) override {
    inner_->add_noise(covariance, theta, noise, k);
  }
  void likelihood_adjoint(ConstView alpha, View k) override { inner_->likelihood_adjoint(alpha, k); }
  void finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts, ConstView dtheta,
                         View out) override {
    inner_->finish_likelihood(data, theta, parts, dtheta, out);
  }
  void waves(ConstView waves, ConstView u, View out) override { inner_->waves(waves, u, out); }
  std::unique_ptr<ResidentData> load(const HostData& data) override { return inner_->load(data); }
  void posterior(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override {
    inner_->posterior(model, x, q, out);
  }
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override {
    inner_->posterior_for_vjp(model, x, q, out);
  }
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override {
    inner_->posterior_vjp(model, adjoint, dx);
  }
  void append(ResidentPosterior& model, ConstView x, const double* targets, const double* noise) override {
    inner_->append(model, x, targets, noise);
  }
  void truncate(ResidentPosterior& model, std::int64_t n) override { inner_->truncate(model, n); }
  void remove(ResidentPosterior& model, std::int64_t index) override { inner_->remove(model, index); }
  void targets(ResidentPosterior& model, View out) override { inner_->targets(model, out); }
  void weights(ResidentPosterior& model, View alpha, View inverse_diagonal) override {
    inner_->weights(model, alpha, inverse_diagonal);
  }
  std::unique_ptr<ResidentPaths> prepare_paths(ResidentPosterior& model, const HostPaths& paths) override {
    return inner_->prepare_paths(model, paths);
  }
  void paths(ResidentPosterior& model, ResidentPaths& paths, ConstView x, View out) override {
    inner_->paths(model, paths, x, out);
  }
  void path(ResidentPosterior& model, ResidentPaths& paths, std::int64_t sample, ConstView x, View out,
            View dx) override {
    inner_->path(model, paths, sample, x, out, dx);
  }

 private:
  // Buffers are the same on both: doubles of the host.
  static constexpr std::align_val_t kAlignment{64};
  double* allocate_doubles(std::size_t count) override { return new (kAlignment) double[count](); }
  void free_doubles(double* data) noexcept override { ::operator delete[](data, kAlignment); }

  std::shared_ptr<Backend> inner_;
};

}  // namespace krigon::testing
