#include "model/shared_posterior.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "krigon/error.hpp"
#include "model/likelihood.hpp"

namespace krigon {

struct SharedPosterior::Impl {
  Backend* backend = nullptr;
  std::size_t columns = 0;
  std::size_t outputs = 0;
  std::unique_ptr<ResidentPosterior> resident;  ///< null: not factorised
  Buffer x, out, adjoint, dx;
  std::vector<double> host_adjoint;

  /// Puts candidates on the device; the number of groups.
  std::size_t stage(std::span<const double> points, std::size_t q, std::size_t room) {
    const std::size_t m = points.size() / columns;
    if (points.size() % columns != 0 || q == 0 || m % q != 0 || room != m * (outputs + q)) {
      throw UsageError(
          fmt::format("SharedPosterior: {} entries of {} columns in groups of {}, room for {} moments of {} "
                      "outputs",
                      points.size(), columns, q, room, outputs));
    }
    grow(x, points.size());
    grow(out, room);
    if (!points.empty()) backend->upload(points, x.data());
    return m / q;
  }
  void grow(Buffer& buffer, std::size_t count) const {
    if (buffer.size() < count) buffer = backend->allocate(count);
  }
  static View view(const Buffer& buffer, std::size_t rows, std::size_t m) {
    const auto r = static_cast<std::int64_t>(rows);
    return {buffer.data(), r, static_cast<std::int64_t>(m), r};
  }
};

SharedPosterior::SharedPosterior(Backend& backend, const CovarianceSpec& spec,
                                 const Hyperparameters& hyperparameters, const Data& data)
    : impl_(std::make_unique<Impl>()) {
  spec.check();
  const std::size_t n = data.noise.size();
  const auto columns = static_cast<std::size_t>(spec.columns());
  const bool positive = std::all_of(data.noise.begin(), data.noise.end(), [](double v) { return v > 0; });
  if (n == 0 || data.rows.size() % n != 0 || data.rows.size() / n < columns || data.targets.empty() ||
      data.targets.size() % n != 0 || !positive) {
    throw UsageError(
        fmt::format("SharedPosterior: {} entries of rows of at least {} columns, {} noise variances (all "
                    "above 0) and {} targets do not match",
                    data.rows.size(), columns, n, data.targets.size()));
  }
  Impl& impl = *impl_;
  impl.backend = &backend;
  impl.columns = data.rows.size() / n;
  impl.outputs = data.targets.size() / n;
  // The least noise is that of all, the rest that of single points.
  const double least = *std::min_element(data.noise.begin(), data.noise.end());
  std::vector<double> rest(data.noise.begin(), data.noise.end());
  for (double& variance : rest) variance -= least;
  const auto resident_data = backend.load({.n = static_cast<std::int64_t>(n),
                                           .columns = data.rows,
                                           .targets = data.targets,
                                           .noise = rest,
                                           .covariance = spec});
  Hyperparameters own = hyperparameters;
  own.log_noise_variance = std::log(least);
  std::vector<double> theta = detail::pack(own);
  theta.push_back(0.0);
  const Buffer device_theta = backend.allocate(theta.size());
  const Buffer device_info = backend.allocate(1);
  for (const double jitter : detail::kJitterSteps) {
    theta.back() = jitter;
    backend.upload(theta, device_theta.data());
    auto resident =
        backend.prepare(*resident_data, Impl::view(device_theta, theta.size(), 1), device_info.data());
    double info = -1;
    backend.download(device_info.data(), {&info, 1});
    if (info == 0) impl.resident = std::move(resident);
    if (info <= 0) break;
  }
}

SharedPosterior::SharedPosterior(SharedPosterior&&) noexcept = default;
SharedPosterior& SharedPosterior::operator=(SharedPosterior&&) noexcept = default;
SharedPosterior::~SharedPosterior() = default;

std::size_t SharedPosterior::outputs() const {
  return impl_->outputs;
}

void SharedPosterior::evaluate(std::span<const double> x, std::size_t q, std::span<double> moments) {
  Impl& impl = *impl_;
  const std::size_t groups = impl.stage(x, q, moments.size());
  if (impl.resident == nullptr) {
    std::fill(moments.begin(), moments.end(), std::numeric_limits<double>::quiet_NaN());
    return;
  }
  impl.backend->posterior(*impl.resident, Impl::view(impl.x, impl.columns, groups * q),
                          static_cast<std::int64_t>(q), Impl::view(impl.out, q * (impl.outputs + q), groups));
  impl.backend->download(impl.out.data(), moments);
}

void SharedPosterior::evaluate_with_gradient(std::span<const double> x, std::size_t q,
                                             std::span<double> moments, const Adjoint& adjoint,
                                             std::span<double> dx) {
  Impl& impl = *impl_;
  const std::size_t groups = impl.stage(x, q, moments.size());
  if (dx.size() != x.size()) {
    throw UsageError(fmt::format("SharedPosterior: {} entries of x, room for {}", x.size(), dx.size()));
  }
  impl.host_adjoint.resize(moments.size());
  if (impl.resident == nullptr) {
    std::fill(moments.begin(), moments.end(), std::numeric_limits<double>::quiet_NaN());
    adjoint(moments, impl.host_adjoint);
    std::fill(dx.begin(), dx.end(), 0.0);
    return;
  }
  Backend& backend = *impl.backend;
  const std::size_t rows = q * (impl.outputs + q);
  const View points = Impl::view(impl.x, impl.columns, groups * q);
  impl.grow(impl.adjoint, moments.size());
  impl.grow(impl.dx, x.size());
  backend.posterior_for_vjp(*impl.resident, points, static_cast<std::int64_t>(q),
                            Impl::view(impl.out, rows, groups));
  backend.download(impl.out.data(), moments);
  adjoint(moments, impl.host_adjoint);
  backend.upload(impl.host_adjoint, impl.adjoint.data());
  backend.posterior_vjp(*impl.resident, Impl::view(impl.adjoint, rows, groups),
                        Impl::view(impl.dx, impl.columns, groups * q));
  backend.download(impl.dx.data(), dx);
}

}  // namespace krigon
