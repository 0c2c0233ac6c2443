#include "model/likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

ThetaLayout GpData::layout() const {
  const CovarianceSpec all = spec();
  return {all.groups(), all.periods(), all.terms()};
}

Hyperparameters prior_mode(const Priors& priors, const GpData& data) {
  return detail::prior_mode(priors, data.layout());
}

namespace detail {

namespace {

constexpr double kMeanBound = 10;

/// Of a row of theta above the mean's.
const LogNormalPrior& prior_of(const Priors& priors, std::int64_t row, const ThetaLayout& layout) {
  if (row < layout.period()) return priors.lengthscale;
  if (row < layout.signal()) return priors.period;
  return row < layout.noise() ? priors.signal_variance : priors.noise_variance;
}

}  // namespace

std::vector<double> pack(const Hyperparameters& h) {
  std::vector<double> row = h.log_lengthscale;
  row.insert(row.end(), h.log_period.begin(), h.log_period.end());
  row.insert(row.end(), h.log_signal_variance.begin(), h.log_signal_variance.end());
  row.insert(row.end(), {h.log_noise_variance, h.mean});
  return row;
}

Hyperparameters unpack(std::span<const double> row, const ThetaLayout& layout) {
  const auto at = [&](std::int64_t index) { return row.begin() + index; };
  Hyperparameters h;
  h.log_lengthscale.assign(at(0), at(layout.period()));
  h.log_period.assign(at(layout.period()), at(layout.signal()));
  h.log_signal_variance.assign(at(layout.signal()), at(layout.noise()));
  h.log_noise_variance = *at(layout.noise());
  h.mean = *at(layout.mean());
  return h;
}

void check_count(const Hyperparameters& h, const ThetaLayout& layout, std::string_view what) {
  const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  if (h.log_lengthscale.size() == size(layout.groups) && h.log_period.size() == size(layout.periods) &&
      h.log_signal_variance.size() == size(layout.terms)) {
    return;
  }
  throw UsageError(fmt::format(
      "{} has {} lengthscales, {} periods and {} signal variances; the covariance has {}, {} and {}", what,
      h.log_lengthscale.size(), h.log_period.size(), h.log_signal_variance.size(), layout.groups,
      layout.periods, layout.terms));
}

Hyperparameters prior_mode(const Priors& priors, const ThetaLayout& layout) {
  std::vector<double> row;
  for (std::int64_t i = 0; i < layout.mean(); ++i) {
    const LogNormalPrior& prior = prior_of(priors, i, layout);
    row.push_back(std::clamp(prior.location, prior.lower, prior.upper));
  }
  row.push_back(0.0);
  return unpack(row, layout);
}

std::vector<double> model_noise(const GpData& data, const OutputTransform& transform) {
  std::vector<double> noise;
  for (const double variance : data.noise) noise.push_back(transform.forward_variance(variance));
  return noise;
}

void prior_bounds(const Priors& priors, const ThetaLayout& layout, std::vector<double>& lower,
                  std::vector<double>& upper) {
  lower.clear();
  upper.clear();
  for (std::int64_t i = 0; i < layout.mean(); ++i) {
    lower.push_back(prior_of(priors, i, layout).lower);
    upper.push_back(prior_of(priors, i, layout).upper);
  }
  lower.push_back(-kMeanBound);
  upper.push_back(kMeanBound);
}

void add_negative_log_prior(const Priors& priors, const ThetaLayout& layout, std::span<const double> theta,
                            double& value, std::span<double> gradient) {
  const double half_log_2pi = 0.5 * std::log(2 * std::numbers::pi);
  const auto add = [&](std::size_t i, double location, double scale) {
    const double u = (theta[i] - location) / scale;
    value += 0.5 * u * u + std::log(scale) + half_log_2pi;
    gradient[i] += u / scale;
  };
  for (std::int64_t i = 0; i < layout.mean(); ++i) {
    const LogNormalPrior& prior = prior_of(priors, i, layout);
    add(static_cast<std::size_t>(i), prior.location, prior.scale);
  }
  add(static_cast<std::size_t>(layout.mean()), 0.0, priors.mean_scale);
}

NegativeLogPosterior::NegativeLogPosterior(Backend& backend, const GpData& data, std::span<const double> z,
                                           std::span<const double> noise, const Priors& priors)
    : backend_(backend),
      layout_(data.layout()),
      priors_(priors),
      data_(backend.load({.n = static_cast<std::int64_t>(data.n),
                          .columns = data.columns,
                          .targets = z,
                          .noise = noise,
                          .covariance = data.spec()})) {
  prior_bounds(priors, layout_, lower_, upper_);
}

void NegativeLogPosterior::operator()(std::span<const double> theta, std::span<double> value,
                                      std::span<double> gradient) {
  const std::size_t count = value.size();
  const std::size_t parameters = dimension();
  const std::size_t theta_rows = parameters + 1;
  const std::size_t out_rows = parameters + 2;
  if (theta_.size() < count * theta_rows) {
    theta_ = backend_.allocate(count * theta_rows);
    out_ = backend_.allocate(count * out_rows);
  }
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::fill(value.begin(), value.end(), kNan);
  std::fill(gradient.begin(), gradient.end(), kNan);
  jitter_.assign(count, 0.0);
  todo_.resize(count);
  for (std::size_t b = 0; b < count; ++b) todo_[b] = b;

  for (const double jitter : kJitterSteps) {
    host_theta_.clear();
    for (const std::size_t b : todo_) {
      const auto row = theta.subspan(b * parameters, parameters);
      host_theta_.insert(host_theta_.end(), row.begin(), row.end());
      host_theta_.push_back(jitter);
    }
    host_out_.resize(todo_.size() * out_rows);
    backend_.upload(host_theta_, theta_.data());
    const auto columns = static_cast<std::int64_t>(todo_.size());
    const auto trows = static_cast<std::int64_t>(theta_rows);
    const auto orows = static_cast<std::int64_t>(out_rows);
    backend_.mll_value_grad(*data_, ConstView{theta_.data(), trows, columns, trows},
                            View{out_.data(), orows, columns, orows});
    backend_.download(out_.data(), host_out_);
    evaluations_ += static_cast<int>(todo_.size());
    std::vector<std::size_t> failed;
    for (std::size_t r = 0; r < todo_.size(); ++r) {
      const std::size_t b = todo_[r];
      const double* out = &host_out_[r * out_rows];
      jitter_[b] = jitter;
      largest_jitter_ = std::max(largest_jitter_, jitter);
      if (out[0] > 0) {
        failed.push_back(b);
        continue;
      }
      value[b] = -out[1];
      for (std::size_t i = 0; i < parameters; ++i) gradient[b * parameters + i] = -out[2 + i];
      add_negative_log_prior(priors_, layout_, theta.subspan(b * parameters, parameters), value[b],
                             gradient.subspan(b * parameters, parameters));
    }
    todo_ = std::move(failed);
    if (todo_.empty()) break;
  }
}

}  // namespace detail
}  // namespace krigon
