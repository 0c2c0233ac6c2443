#include "app/gaussian_process.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backend/choose.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace {

constexpr double kSmallestNoise = 1e-12;  ///< in model units

void check_finite(std::span<const double> values, const char* what, const char* name) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw UsageError(fmt::format("{}: {}[{}] is {}; it must be finite", what, name, i, values[i]));
    }
  }
}

}  // namespace

void GaussianProcess::Impl::set_columns(std::span<const double> x) {
  std::vector<bool> categorical(columns), other(columns);
  for (const auto& term : options.kernel.terms_) {
    for (const Kernel::Factor& factor : term) {
      auto& marks = factor.part == Kernel::Part::categorical ? categorical : other;
      for (const std::size_t column : factor.columns) {
        if (column >= columns) {
          throw UsageError(fmt::format("fit: the kernel is over column {}, of {}", column, columns));
        }
        marks[column] = true;
      }
      if (factor.columns.empty()) std::fill(marks.begin(), marks.end(), true);
    }
  }
  const bool boxed = !options.lower.empty() || !options.upper.empty();
  if (boxed && (options.lower.size() != columns || options.upper.size() != columns)) {
    throw UsageError(fmt::format("fit: {} columns, but {} lower and {} upper bounds", columns,
                                 options.lower.size(), options.upper.size()));
  }
  const std::size_t n = x.size() / columns;
  inputs.assign(columns, {});
  width = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    InputColumn& input = inputs[c];
    input.first = width;
    if (categorical[c] && other[c]) {
      throw UsageError(
          fmt::format("fit: column {} is categorical in one part of the kernel and not in another", c));
    }
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (std::size_t i = 0; i < n; ++i) {
      const double value = x[i * columns + c];
      low = std::min(low, value);
      high = std::max(high, value);
      if (categorical[c]) input.choices.push_back(value);
    }
    if (boxed) {
      low = options.lower[c];
      high = options.upper[c];
      if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high)) {
        throw UsageError(fmt::format("fit: column {} has the bounds {} and {}", c, low, high));
      }
    }
    input.middle = low + (high - low) / 2;
    input.width = high > low ? high - low : 1.0;
    std::sort(input.choices.begin(), input.choices.end());
    input.choices.erase(std::unique(input.choices.begin(), input.choices.end()), input.choices.end());
    width += categorical[c] ? input.choices.size() : 1;
  }
}

void GaussianProcess::Impl::set_kernel() {
  data.covariance = {};
  data.groups.assign(width, 0);
  std::int32_t groups = 0, periods = 0, term_number = 0;
  for (const auto& term : options.kernel.terms_) {
    for (const Kernel::Factor& factor : term) {
      CovarianceFactor made;
      made.term = term_number;
      switch (factor.part) {
        case Kernel::Part::matern52:
          made.kind = CovarianceKind::matern52;
          break;
        case Kernel::Part::matern32:
          made.kind = CovarianceKind::matern32;
          break;
        case Kernel::Part::rbf:
        case Kernel::Part::categorical:
          made.kind = CovarianceKind::rbf;
          break;
        case Kernel::Part::periodic:
          made.kind = CovarianceKind::periodic;
          break;
        case Kernel::Part::linear:
          made.kind = CovarianceKind::linear;
          break;
      }
      std::vector<std::size_t> over = factor.columns;
      for (std::size_t c = 0; factor.columns.empty() && c < columns; ++c) over.push_back(c);
      for (std::size_t k = 0; k < over.size(); ++k) {
        const InputColumn& input = inputs[over[k]];
        if (k > 0 && !factor.isotropic) ++groups;
        const std::size_t count = std::max<std::size_t>(input.choices.size(), 1);
        for (std::size_t e = 0; e < count; ++e) {
          made.columns.push_back(static_cast<std::int32_t>(input.first + e));
          made.groups.push_back(groups);
          if (factor.part == Kernel::Part::periodic) made.periods.push_back(periods++);
        }
      }
      ++groups;
      data.covariance.factors.push_back(std::move(made));
    }
    ++term_number;
  }
}

std::vector<double> GaussianProcess::Impl::rows(std::span<const double> x, const char* what) const {
  std::vector<double> made;
  rows(x, what, made);
  return made;
}

void GaussianProcess::Impl::rows(std::span<const double> x, const char* what,
                                 std::vector<double>& rows) const {
  if (x.size() % columns != 0) {
    throw UsageError(fmt::format("{}: {} numbers are no points of {} columns", what, x.size(), columns));
  }
  check_finite(x, what, "x");
  const std::size_t m = x.size() / columns;
  rows.assign(m * width, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t c = 0; c < columns; ++c) {
      const InputColumn& input = inputs[c];
      const double value = x[i * columns + c];
      if (input.choices.empty()) {
        rows[i * width + input.first] = (value - input.middle) / input.width;
        continue;
      }
      const auto found = std::lower_bound(input.choices.begin(), input.choices.end(), value);
      if (found == input.choices.end() || *found != value) {
        throw UsageError(
            fmt::format("{}: {} in column {} of point {} is no choice of the data's", what, value, c, i));
      }
      rows[i * width + input.first + static_cast<std::size_t>(found - input.choices.begin())] = 1;
    }
  }
}

std::vector<double> GaussianProcess::Impl::point(std::size_t i) const {
  std::vector<double> x;
  const double* row = &data.columns[i * width];
  for (const InputColumn& input : inputs) {
    const double* own = row + input.first;
    x.push_back(input.choices.empty() ? input.middle + input.width * *own
                                      : input.choices[static_cast<std::size_t>(
                                            std::max_element(own, own + input.choices.size()) - own)]);
  }
  return x;
}

void GaussianProcess::Impl::pull_back(std::span<const double> row_gradient,
                                      std::span<double> gradient) const {
  for (std::size_t i = 0; i * columns < gradient.size(); ++i) {
    for (std::size_t c = 0; c < columns; ++c) {
      const InputColumn& input = inputs[c];
      gradient[i * columns + c] =
          input.choices.empty() ? row_gradient[i * width + input.first] / input.width : 0.0;
    }
  }
}

void GaussianProcess::Impl::fit() {
  FitOptions fit_options;
  fit_options.seed = options.seed;
  fit_options.starts = options.starts;
  fit_options.output = OutputScaling::standardise;
  Priors priors = Priors::for_groups(data.group_count());
  if (options.noise) {
    const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
    const double noise = std::log(std::max(transform.forward_variance(*options.noise), kSmallestNoise));
    priors.noise_variance = {noise, 1, noise, noise};
  }
  fit_options.priors = priors;
  result = krigon::fit(*backend, data, fit_options);
  posterior.emplace(*backend, data, result.hyperparameters, result.transform);
  note = result.note;
  if (!posterior->note().empty() && posterior->note() != note) {
    note += (note.empty() ? "" : "; ") + posterior->note();
  }
}

GaussianProcess::GaussianProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GaussianProcess::GaussianProcess(GaussianProcess&&) noexcept = default;
GaussianProcess& GaussianProcess::operator=(GaussianProcess&&) noexcept = default;
GaussianProcess::~GaussianProcess() = default;

GaussianProcess GaussianProcess::fit(std::span<const double> x, std::size_t columns,
                                     std::span<const double> y, const GpOptions& options) {
  if (columns == 0 || y.empty() || x.size() != y.size() * columns) {
    throw UsageError(
        fmt::format("fit: {} numbers are not {} points of {} columns; at least one of each is needed",
                    x.size(), y.size(), columns));
  }
  check_finite(x, "fit", "x");
  check_finite(y, "fit", "y");
  check_finite(options.noise_variances, "fit", "noise_variances");
  if (!options.noise_variances.empty() && options.noise_variances.size() != y.size()) {
    throw UsageError(
        fmt::format("fit: {} noise variances for {} points", options.noise_variances.size(), y.size()));
  }
  const auto negative = [](double value) { return value < 0; };
  if ((options.noise && !(*options.noise >= 0)) ||
      std::any_of(options.noise_variances.begin(), options.noise_variances.end(), negative)) {
    throw UsageError("fit: a noise variance is below 0");
  }
  if (options.kernel.terms_.empty()) throw UsageError("fit: the kernel is empty");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->columns = columns;
  impl->set_columns(x);
  impl->set_kernel();
  impl->data.n = y.size();
  impl->data.columns = impl->rows(x, "fit");
  impl->data.y.assign(y.begin(), y.end());
  impl->data.noise = options.noise_variances;
  ChosenBackend chosen = choose_backend(options.device, static_cast<std::int64_t>(y.size()));
  impl->backend = std::move(chosen.backend);
  impl->device = std::move(chosen.line);
  impl->fit();
  return GaussianProcess(std::move(impl));
}

std::size_t GaussianProcess::size() const {
  return impl_->data.n;
}
std::size_t GaussianProcess::columns() const {
  return impl_->columns;
}
double GaussianProcess::log_posterior() const {
  return impl_->result.log_posterior;
}
const std::string& GaussianProcess::note() const {
  return impl_->note;
}
const std::string& GaussianProcess::device() const {
  return impl_->device;
}

GpHyperparameters GaussianProcess::hyperparameters() const {
  const Hyperparameters& h = impl_->result.hyperparameters;
  const double scale = impl_->scale();
  GpHyperparameters out;
  for (const double log_length : h.log_lengthscale) out.lengthscales.push_back(std::exp(log_length));
  for (const double log_period : h.log_period) out.periods.push_back(std::exp(log_period));
  for (const double log_signal : h.log_signal_variance) {
    out.signal_variances.push_back(std::exp(log_signal) * scale * scale);
  }
  out.noise_variance = std::exp(h.log_noise_variance) * scale * scale;
  out.mean = impl_->result.transform.inverse(h.mean);
  return out;
}

void GaussianProcess::predict(std::span<const double> x, std::span<double> mean, std::span<double> variance) {
  Impl& impl = *impl_;
  impl.posterior->evaluate(impl.rows(x, "predict"), mean, variance);
  const double scale = impl.scale();
  for (double& value : mean) value = impl.result.transform.inverse(value);
  for (double& value : variance) value *= scale * scale;
}

void GaussianProcess::predict_with_gradient(std::span<const double> x, std::span<double> mean,
                                            std::span<double> variance, std::span<double> d_mean,
                                            std::span<double> d_variance) {
  Impl& impl = *impl_;
  if (d_mean.size() != x.size() || d_variance.size() != x.size()) {
    throw UsageError(fmt::format("predict_with_gradient: {} numbers of x, room for {} and {} derivatives",
                                 x.size(), d_mean.size(), d_variance.size()));
  }
  const std::vector<double> rows = impl.rows(x, "predict_with_gradient");
  const double scale = impl.scale();
  std::vector<double> gradient(rows.size());
  for (const bool of_mean : {true, false}) {
    impl.posterior->evaluate_with_gradient(
        rows, mean, variance,
        [of_mean](std::size_t, auto, auto, std::span<double> by_mean, std::span<double> by_variance) {
          std::fill(by_mean.begin(), by_mean.end(), of_mean ? 1.0 : 0.0);
          std::fill(by_variance.begin(), by_variance.end(), of_mean ? 0.0 : 1.0);
        },
        gradient);
    const std::span<double> out = of_mean ? d_mean : d_variance;
    impl.pull_back(gradient, out);
    for (double& value : out) value *= of_mean ? scale : scale * scale;
  }
  for (double& value : mean) value = impl.result.transform.inverse(value);
  for (double& value : variance) value *= scale * scale;
}

void GaussianProcess::predict_joint(std::span<const double> x, std::span<double> mean,
                                    std::span<double> covariance) {
  Impl& impl = *impl_;
  const std::vector<double> rows = impl.rows(x, "predict_joint");
  const std::size_t m = rows.size() / impl.width;
  if (mean.size() != m || covariance.size() != m * m) {
    throw UsageError(fmt::format("predict_joint: {} points, room for {} means and {} covariances", m,
                                 mean.size(), covariance.size()));
  }
  if (m == 0) return;
  std::vector<double> moments(m + m * m);
  impl.posterior->evaluate_joint(rows, m, moments);
  const double scale = impl.scale();
  for (std::size_t i = 0; i < m; ++i) mean[i] = impl.result.transform.inverse(moments[i]);
  for (std::size_t i = 0; i < m * m; ++i) covariance[i] = moments[m + i] * scale * scale;
}

std::vector<double> GaussianProcess::sample(std::span<const double> x, std::size_t count,
                                            std::uint64_t seed) {
  Impl& impl = *impl_;
  std::vector<double> draws = impl.posterior->sample(impl.rows(x, "sample"), count, seed);
  for (double& value : draws) value = impl.result.transform.inverse(value);
  return draws;
}

GaussianProcess::LeaveOneOut GaussianProcess::leave_one_out() {
  Impl& impl = *impl_;
  const Posterior::LeaveOneOut found = impl.posterior->leave_one_out();
  const double scale = impl.scale();
  LeaveOneOut out;
  for (const double mean : found.mean) out.mean.push_back(impl.result.transform.inverse(mean));
  for (const double variance : found.variance) out.variance.push_back(variance * scale * scale);
  out.log_predictive_density =
      found.log_predictive_density - static_cast<double>(impl.data.n) * std::log(scale);
  return out;
}

void GaussianProcess::append(std::span<const double> x, std::span<const double> y,
                             std::span<const double> noise_variances) {
  Impl& impl = *impl_;
  check_finite(y, "append", "y");
  check_finite(noise_variances, "append", "noise_variances");
  const std::vector<double> rows = impl.rows(x, "append");
  impl.posterior->append(rows, y, noise_variances);
  GpData& data = impl.data;
  if (!noise_variances.empty() || !data.noise.empty()) {
    data.noise.resize(data.n, 0.0);
    data.noise.insert(data.noise.end(), noise_variances.begin(), noise_variances.end());
    data.noise.resize(data.n + y.size(), 0.0);
  }
  data.columns.insert(data.columns.end(), rows.begin(), rows.end());
  data.y.insert(data.y.end(), y.begin(), y.end());
  data.n += y.size();
}

void GaussianProcess::remove(std::size_t index) {
  Impl& impl = *impl_;
  GpData& data = impl.data;
  if (index >= data.n || data.n == 1) {
    throw UsageError(fmt::format("remove: point {} of {} cannot go; one has to stay", index, data.n));
  }
  impl.posterior->remove(index);
  const auto at = static_cast<std::ptrdiff_t>(index);
  const auto width = static_cast<std::ptrdiff_t>(impl.width);
  data.columns.erase(data.columns.begin() + at * width, data.columns.begin() + (at + 1) * width);
  data.y.erase(data.y.begin() + at);
  if (!data.noise.empty()) data.noise.erase(data.noise.begin() + at);
  --data.n;
}

void GaussianProcess::refit() {
  impl_->fit();
}

}  // namespace krigon
