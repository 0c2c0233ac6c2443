#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"

namespace krigon {

namespace {
constexpr double kSmallestVariance = 1e-18;  ///< of the signal's
}

struct Posterior::Impl {
  Backend* backend = nullptr;
  Hyperparameters hyperparameters;
  OutputTransform transform;
  std::size_t columns = 0;
  double signal = 1;
  FitStatus status = FitStatus::ok;
  std::string note;
  double jitter = 0;
  std::size_t observed = 0;
  std::vector<double> targets;
  double best = std::numeric_limits<double>::infinity();
  std::unique_ptr<ResidentPosterior> resident;
  Buffer x, out, adjoint, dx;
  std::vector<double> host_out, host_adjoint, d_mean, d_variance;

  /// Puts m candidates on the device and makes room for their results.
  std::size_t stage(std::span<const double> points, const char* what) {
    if (columns == 0 || points.size() % columns != 0) {
      throw UsageError(
          fmt::format("{}: {} entries are not a multiple of {} columns", what, points.size(), columns));
    }
    const std::size_t m = points.size() / columns;
    if (x.size() < points.size()) {
      x = backend->allocate(points.size());
      dx = backend->allocate(points.size());
    }
    if (out.size() < 2 * m) {
      out = backend->allocate(2 * m);
      adjoint = backend->allocate(2 * m);
    }
    if (!points.empty()) backend->upload(points, x.data());
    return m;
  }

  View view(const Buffer& buffer, std::size_t rows, std::size_t m) const {
    const auto r = static_cast<std::int64_t>(rows);
    return {buffer.data(), r, static_cast<std::int64_t>(m), r};
  }

  void fetch(std::size_t m, std::span<double> mean, std::span<double> variance) {
    host_out.resize(2 * m);
    backend->download(out.data(), host_out);
    for (std::size_t j = 0; j < m; ++j) {
      mean[j] = host_out[2 * j];
      variance[j] = std::max(host_out[2 * j + 1], kSmallestVariance * signal);
    }
  }

  void note_best() {
    for (std::size_t i = 0; i < observed; ++i) best = std::min(best, targets[i]);
  }
};

Posterior::Posterior(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
                     const OutputTransform& transform)
    : impl_(std::make_unique<Impl>()) {
  if (hyperparameters.log_lengthscale.size() != data.group_count()) {
    throw UsageError(fmt::format("Posterior: {} lengthscales for {} groups",
                                 hyperparameters.log_lengthscale.size(), data.group_count()));
  }
  if (data.columns.size() != data.n * data.column_count() || data.y.size() != data.n) {
    throw UsageError("Posterior: the shapes of n, columns and y do not match");
  }
  Impl& impl = *impl_;
  impl.backend = &backend;
  impl.hyperparameters = hyperparameters;
  impl.transform = transform;
  impl.columns = data.column_count();
  impl.signal = std::exp(hyperparameters.log_signal_variance);
  for (const double y : data.y) impl.targets.push_back(transform.forward(y));
  impl.observed = data.n;
  impl.note_best();

  const auto resident_data =
      backend.load({.n = static_cast<std::int64_t>(data.n),
                    .columns = data.columns,
                    .targets = impl.targets,
                    .noise = {},
                    .covariance = CovarianceSpec::matern52(data.groups)});
  std::vector<double> theta = detail::pack(hyperparameters);
  theta.push_back(0.0);
  Buffer device_theta = backend.allocate(theta.size());
  Buffer device_info = backend.allocate(1);
  const auto rows = static_cast<std::int64_t>(theta.size());
  double info = -1;
  for (const double jitter : detail::kJitterSteps) {
    theta.back() = jitter;
    backend.upload(theta, device_theta.data());
    auto resident =
        backend.prepare(*resident_data, ConstView{device_theta.data(), rows, 1, rows}, device_info.data());
    backend.download(device_info.data(), {&info, 1});
    if (info == 0) {
      impl.jitter = jitter;
      impl.resident = std::move(resident);
      break;
    }
    if (info < 0) break;  // jitter does not help against what is not finite
  }
  if (impl.resident == nullptr) {
    impl.status = FitStatus::failed;
    impl.note = info < 0 ? "the covariance is not finite: the prior is used"
                         : "the covariance is not positive definite, whatever the jitter: the prior is used";
  } else if (impl.jitter > 0) {
    impl.status = FitStatus::fell_back;
    impl.note = fmt::format("jitter {:.0e} of the mean diagonal was needed", impl.jitter);
  }
}

Posterior::Posterior(Posterior&&) noexcept = default;
Posterior& Posterior::operator=(Posterior&&) noexcept = default;
Posterior::~Posterior() = default;

FitStatus Posterior::status() const {
  return impl_->status;
}
const std::string& Posterior::note() const {
  return impl_->note;
}
double Posterior::jitter() const {
  return impl_->jitter;
}
std::size_t Posterior::size() const {
  return impl_->targets.size();
}
std::size_t Posterior::pending() const {
  return impl_->targets.size() - impl_->observed;
}
std::size_t Posterior::column_count() const {
  return impl_->columns;
}
const Hyperparameters& Posterior::hyperparameters() const {
  return impl_->hyperparameters;
}
const OutputTransform& Posterior::transform() const {
  return impl_->transform;
}
std::span<const double> Posterior::targets() const {
  return impl_->targets;
}
double Posterior::best_target() const {
  return impl_->best;
}

void Posterior::evaluate(std::span<const double> x, std::span<double> mean, std::span<double> variance) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "Posterior::evaluate");
  if (mean.size() != m || variance.size() != m) {
    throw UsageError(fmt::format("Posterior::evaluate: {} candidates, room for {} and {}", m, mean.size(),
                                 variance.size()));
  }
  if (impl.resident == nullptr) {
    std::fill(mean.begin(), mean.end(), impl.hyperparameters.mean);
    std::fill(variance.begin(), variance.end(), impl.signal);
    return;
  }
  impl.backend->posterior(*impl.resident, impl.view(impl.x, impl.columns, m), 1, impl.view(impl.out, 2, m));
  impl.fetch(m, mean, variance);
}

void Posterior::evaluate_with_gradient(std::span<const double> x, std::span<double> mean,
                                       std::span<double> variance, const Adjoint& adjoint,
                                       std::span<double> dx) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "Posterior::evaluate_with_gradient");
  if (mean.size() != m || variance.size() != m || dx.size() != x.size()) {
    throw UsageError(
        fmt::format("Posterior::evaluate_with_gradient: {} candidates, room for {}, {} and {} entries of dx",
                    m, mean.size(), variance.size(), dx.size()));
  }
  impl.d_mean.resize(m);
  impl.d_variance.resize(m);
  if (impl.resident == nullptr) {
    std::fill(mean.begin(), mean.end(), impl.hyperparameters.mean);
    std::fill(variance.begin(), variance.end(), impl.signal);
    adjoint(mean, variance, impl.d_mean, impl.d_variance);
    std::fill(dx.begin(), dx.end(), 0.0);
    return;
  }
  Backend& backend = *impl.backend;
  backend.posterior_for_vjp(*impl.resident, impl.view(impl.x, impl.columns, m), 1, impl.view(impl.out, 2, m));
  impl.fetch(m, mean, variance);
  adjoint(mean, variance, impl.d_mean, impl.d_variance);
  impl.host_adjoint.resize(2 * m);
  for (std::size_t j = 0; j < m; ++j) {
    impl.host_adjoint[2 * j] = impl.d_mean[j];
    impl.host_adjoint[2 * j + 1] = impl.d_variance[j];
  }
  backend.upload(impl.host_adjoint, impl.adjoint.data());
  backend.posterior_vjp(*impl.resident, impl.view(impl.adjoint, 2, m), impl.view(impl.dx, impl.columns, m));
  backend.download(impl.dx.data(), dx);
}

void Posterior::condition_on(std::span<const double> x) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "Posterior::condition_on");
  if (impl.resident == nullptr) {
    impl.targets.insert(impl.targets.end(), m, impl.hyperparameters.mean);
    return;
  }
  impl.backend->append(*impl.resident, impl.view(impl.x, impl.columns, m), nullptr, nullptr);
  const std::size_t n = impl.targets.size() + m;
  Buffer all = impl.backend->allocate(n);
  impl.backend->targets(*impl.resident, impl.view(all, n, 1));
  impl.targets.resize(n);
  impl.backend->download(all.data(), impl.targets);
}

void Posterior::forget_pending() {
  Impl& impl = *impl_;
  impl.targets.resize(impl.observed);
  if (impl.resident != nullptr) {
    impl.backend->truncate(*impl.resident, static_cast<std::int64_t>(impl.observed));
  }
}

void Posterior::append(std::span<const double> x, std::span<const double> y) {
  Impl& impl = *impl_;
  forget_pending();
  const std::size_t m = impl.stage(x, "Posterior::append");
  if (y.size() != m) throw UsageError(fmt::format("Posterior::append: {} points, {} outputs", m, y.size()));
  for (const double value : y) impl.targets.push_back(impl.transform.forward(value));
  impl.observed += m;
  impl.note_best();
  if (impl.resident == nullptr || m == 0) return;
  Buffer device = impl.backend->allocate(m);
  impl.backend->upload(std::span<const double>(impl.targets).last(m), device.data());
  impl.backend->append(*impl.resident, impl.view(impl.x, impl.columns, m), device.data(), nullptr);
}

}  // namespace krigon
