#pragma once

#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "backend/backend.hpp"

namespace krigon::testing {

/// A backend that computes as another does, except where it is told to fail numerically.
class FaultyBackend final : public Backend {
 public:
  explicit FaultyBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)) {}

  bool fail_likelihood = false;  ///< no likelihood is finite: every fit fails
  int fail_prepare = 0;          ///< so many factorisations to come fail

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
  void gram(ConstView x, ConstView z, double signal, View k, View weight) override {
    inner_->gram(x, z, signal, k, weight);
  }
  std::unique_ptr<ResidentData> load(const HostData& data) override { return inner_->load(data); }
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
  void posterior(ResidentPosterior& model, ConstView x, View out) override {
    inner_->posterior(model, x, out);
  }
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, View out) override {
    inner_->posterior_for_vjp(model, x, out);
  }
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override {
    inner_->posterior_vjp(model, adjoint, dx);
  }
  void append(ResidentPosterior& model, ConstView x, const double* targets) override {
    inner_->append(model, x, targets);
  }
  void truncate(ResidentPosterior& model, std::int64_t n) override { inner_->truncate(model, n); }
  void targets(ResidentPosterior& model, View out) override { inner_->targets(model, out); }

 private:
  // Buffers are the same on both: doubles of the host.
  static constexpr std::align_val_t kAlignment{64};
  double* allocate_doubles(std::size_t count) override { return new (kAlignment) double[count](); }
  void free_doubles(double* data) noexcept override { ::operator delete[](data, kAlignment); }

  std::shared_ptr<Backend> inner_;
};

}  // namespace krigon::testing
