#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"
#include "model/posterior_impl.hpp"

namespace krigon {

Posterior::Posterior(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
                     const OutputTransform& transform)
    : impl_(std::make_unique<Impl>()) {
  data.spec().check();
  detail::check_count(hyperparameters, data.layout(), "Posterior: the hyperparameters");
  if (data.columns.size() != data.n * data.column_count() || data.y.size() != data.n ||
      (!data.noise.empty() && data.noise.size() != data.n)) {
    throw UsageError("Posterior: the shapes of n, columns, y and noise do not match");
  }
  Impl& impl = *impl_;
  impl.backend = &backend;
  impl.hyperparameters = hyperparameters;
  impl.transform = transform;
  impl.columns = data.column_count();
  impl.spec = data.spec();
  impl.signal = 0;
  for (const double log_variance : hyperparameters.log_signal_variance) impl.signal += std::exp(log_variance);
  for (const double y : data.y) impl.targets.push_back(transform.forward(y));
  impl.observed = data.n;
  impl.note_best();

  impl.known_noise = detail::model_noise(data, transform);
  const auto resident_data = backend.load({.n = static_cast<std::int64_t>(data.n),
                                           .columns = data.columns,
                                           .targets = impl.targets,
                                           .noise = impl.known_noise,
                                           .covariance = impl.spec});
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
    adjoint(0, mean, variance, impl.d_mean, impl.d_variance);
    std::fill(dx.begin(), dx.end(), 0.0);
    return;
  }
  Backend& backend = *impl.backend;
  const std::size_t most =
      std::max<std::size_t>(1, static_cast<std::size_t>(backend.candidates_at_a_time(*impl.resident)));
  for (std::size_t first = 0; first < m; first += most) {
    const std::size_t count = std::min(most, m - first);
    const auto block = [&](const auto& all) { return all.subspan(first, count); };
    View points = impl.view(impl.x, impl.columns, count);
    points.data += first * impl.columns;
    backend.posterior_for_vjp(*impl.resident, points, 1, impl.view(impl.out, 2, count));
    impl.fetch(count, block(mean), block(variance));
    const auto d_mean = std::span(impl.d_mean).first(count);
    const auto d_variance = std::span(impl.d_variance).first(count);
    adjoint(first, block(mean), block(variance), d_mean, d_variance);
    impl.host_adjoint.resize(2 * count);
    for (std::size_t j = 0; j < count; ++j) {
      impl.host_adjoint[2 * j] = d_mean[j];
      impl.host_adjoint[2 * j + 1] = d_variance[j];
    }
    backend.upload(impl.host_adjoint, impl.adjoint.data());
    backend.posterior_vjp(*impl.resident, impl.view(impl.adjoint, 2, count),
                          impl.view(impl.dx, impl.columns, count));
    backend.download(impl.dx.data(), dx.subspan(first * impl.columns, count * impl.columns));
  }
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

void Posterior::append(std::span<const double> x, std::span<const double> y, std::span<const double> noise) {
  Impl& impl = *impl_;
  forget_pending();
  const std::size_t m = impl.stage(x, "Posterior::append");
  if (y.size() != m || (!noise.empty() && noise.size() != m)) {
    throw UsageError(fmt::format("Posterior::append: {} points, {} outputs, {} noise variances", m, y.size(),
                                 noise.size()));
  }
  for (const double value : y) impl.targets.push_back(impl.transform.forward(value));
  impl.observed += m;
  impl.note_best();
  if (impl.resident == nullptr || m == 0) return;
  const auto put = [&](std::span<const double> values) {
    Buffer buffer = impl.backend->allocate(values.size());
    if (!values.empty()) impl.backend->upload(values, buffer.data());
    return buffer;
  };
  std::vector<double> known;
  for (const double variance : noise) known.push_back(impl.transform.forward_variance(variance));
  if (!known.empty()) {
    impl.known_noise.resize(impl.observed - m, 0.0);
    impl.known_noise.insert(impl.known_noise.end(), known.begin(), known.end());
  }
  const Buffer device = put(std::span<const double>(impl.targets).last(m));
  const Buffer device_noise = put(known);
  impl.backend->append(*impl.resident, impl.view(impl.x, impl.columns, m), device.data(),
                       device_noise.data());
}

void Posterior::remove(std::size_t index) {
  Impl& impl = *impl_;
  forget_pending();
  if (index >= impl.observed) {
    throw UsageError(fmt::format("Posterior::remove: there is no point {} among {}", index, impl.observed));
  }
  if (impl.resident != nullptr) impl.backend->remove(*impl.resident, static_cast<std::int64_t>(index));
  impl.targets.erase(impl.targets.begin() + static_cast<std::ptrdiff_t>(index));
  if (index < impl.known_noise.size()) {
    impl.known_noise.erase(impl.known_noise.begin() + static_cast<std::ptrdiff_t>(index));
  }
  --impl.observed;
  impl.best = std::numeric_limits<double>::infinity();
  impl.note_best();
}

}  // namespace krigon
