// Joint moments of several points, draws from them, and leave-one-out predictions.

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"
#include "model/posterior_impl.hpp"

namespace krigon {

namespace {

/// The prior's moments, points independent: what is left where there was no factorisation.
void prior_moments(const Posterior& posterior, double signal, std::size_t q, std::span<double> moments) {
  const std::size_t rows = q + q * q;
  for (std::size_t j = 0; j * rows < moments.size(); ++j) {
    double* column = &moments[j * rows];
    std::fill_n(column, q, posterior.hyperparameters().mean);
    for (std::size_t i = 0; i < q * q; ++i) column[q + i] = i % (q + 1) == 0 ? signal : 0.0;
  }
}

}  // namespace

void Posterior::evaluate_joint(std::span<const double> x, std::size_t q, std::span<double> moments) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "Posterior::evaluate_joint");
  impl.check_joint(m, q, moments.size(), "Posterior::evaluate_joint");
  if (impl.resident == nullptr) return prior_moments(*this, impl.signal, q, moments);
  const View out = impl.joint_view(impl.out, m, q);
  impl.backend->posterior(*impl.resident, impl.view(impl.x, impl.columns, m), static_cast<std::int64_t>(q),
                          out);
  impl.backend->download(out.data, moments);
}

void Posterior::evaluate_joint_with_gradient(std::span<const double> x, std::size_t q,
                                             std::span<double> moments, const JointAdjoint& adjoint,
                                             std::span<double> dx) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "Posterior::evaluate_joint_with_gradient");
  impl.check_joint(m, q, moments.size(), "Posterior::evaluate_joint_with_gradient");
  if (dx.size() != x.size()) {
    throw UsageError(fmt::format("Posterior::evaluate_joint_with_gradient: {} entries of x, room for {}",
                                 x.size(), dx.size()));
  }
  impl.host_adjoint.resize(moments.size());
  if (impl.resident == nullptr) {
    prior_moments(*this, impl.signal, q, moments);
    adjoint(moments, impl.host_adjoint);
    std::fill(dx.begin(), dx.end(), 0.0);
    return;
  }
  Backend& backend = *impl.backend;
  const View out = impl.joint_view(impl.out, m, q);
  const View change = impl.joint_view(impl.adjoint, m, q);
  backend.posterior_for_vjp(*impl.resident, impl.view(impl.x, impl.columns, m), static_cast<std::int64_t>(q),
                            out);
  backend.download(out.data, moments);
  adjoint(moments, impl.host_adjoint);
  backend.upload(impl.host_adjoint, change.data);
  backend.posterior_vjp(*impl.resident, change, impl.view(impl.dx, impl.columns, m));
  backend.download(impl.dx.data(), dx);
}

std::vector<double> Posterior::sample(std::span<const double> x, std::size_t count, std::uint64_t seed) {
  Impl& impl = *impl_;
  const std::size_t m = impl.columns == 0 ? 0 : x.size() / impl.columns;
  std::vector<double> draws(count * m);
  if (draws.empty()) return draws;
  std::vector<double> moments(m + m * m);
  evaluate_joint(x, m, moments);
  double diagonal = 0;
  for (std::size_t i = 0; i < m; ++i) diagonal = std::max(diagonal, moments[m + i * (m + 1)]);
  diagonal = std::max(diagonal, detail::kSmallestVariance * impl.signal);
  const auto order = static_cast<std::int64_t>(m);
  const std::span<const double> covariance = std::span<const double>(moments).subspan(m);
  std::vector<double> factor(m * m);
  Buffer device = impl.backend->allocate(m * m);
  Buffer device_info = impl.backend->allocate(1);
  // Jitter as for K; the last step is always enough for a covariance that rounding left indefinite.
  for (const double jitter : detail::kJitterSteps) {
    factor.assign(covariance.begin(), covariance.end());
    for (std::size_t i = 0; i < m; ++i) factor[i * (m + 1)] += jitter * diagonal;
    impl.backend->upload(factor, device.data());
    impl.backend->cholesky({device.data(), order, order, order}, device_info.data());
    double info = -1;
    impl.backend->download(device_info.data(), {&info, 1});
    if (info != 0) continue;
    impl.backend->download(device.data(), factor);
    for (std::size_t s = 0; s < count; ++s) {
      Random random(seed, s, Purpose::joint_sample);
      double* draw = &draws[s * m];
      std::copy_n(moments.begin(), m, draw);
      for (std::size_t j = 0; j < m; ++j) {
        const double z = random.normal();
        for (std::size_t i = j; i < m; ++i) draw[i] += factor[j * m + i] * z;
      }
    }
    return draws;
  }
  std::fill(draws.begin(), draws.end(), std::numeric_limits<double>::quiet_NaN());
  return draws;
}

Posterior::LeaveOneOut Posterior::leave_one_out() {
  Impl& impl = *impl_;
  const std::size_t n = impl.targets.size();
  LeaveOneOut result;
  result.mean.assign(n, impl.hyperparameters.mean);
  result.variance.assign(n, impl.signal + std::exp(impl.hyperparameters.log_noise_variance));
  if (impl.resident != nullptr && n > 0) {
    const auto rows = static_cast<std::int64_t>(n);
    Buffer both = impl.backend->allocate(2 * n);
    impl.backend->weights(*impl.resident, {both.data(), rows, 1, rows}, {both.data() + n, rows, 1, rows});
    std::vector<double> host(2 * n);
    impl.backend->download(both.data(), host);
    for (std::size_t i = 0; i < n; ++i) {
      result.variance[i] = 1.0 / host[n + i];
      result.mean[i] = impl.targets[i] - host[i] * result.variance[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double rest = impl.targets[i] - result.mean[i];
    result.log_predictive_density -=
        0.5 * (std::log(2 * std::numbers::pi * result.variance[i]) + rest * rest / result.variance[i]);
  }
  return result;
}

}  // namespace krigon
