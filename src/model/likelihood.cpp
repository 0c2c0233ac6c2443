#include "model/likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "krigon/error.hpp"

namespace krigon {

std::size_t GpData::group_count() const {
  std::int32_t count = 0;
  for (const std::int32_t group : groups) count = std::max(count, group + 1);
  return static_cast<std::size_t>(count);
}

namespace detail {

namespace {

constexpr double kMeanBound = 10;

const LogNormalPrior& prior_of(const Priors& priors, std::size_t index, std::size_t groups) {
  if (index < groups) return priors.lengthscale;
  return index == groups ? priors.signal_variance : priors.noise_variance;
}

}  // namespace

std::vector<double> pack(const Hyperparameters& h) {
  std::vector<double> row = h.log_lengthscale;
  row.insert(row.end(), {h.log_signal_variance, h.log_noise_variance, h.mean});
  return row;
}

Hyperparameters unpack(std::span<const double> row) {
  const std::size_t groups = row.size() - 3;
  return {{row.begin(), row.begin() + static_cast<std::ptrdiff_t>(groups)},
          row[groups],
          row[groups + 1],
          row[groups + 2]};
}

NegativeLogPosterior::NegativeLogPosterior(Backend& backend, const GpData& data, std::span<const double> z,
                                           const Priors& priors)
    : backend_(backend),
      groups_(data.group_count()),
      priors_(priors),
      data_(backend.load({.n = static_cast<std::int64_t>(data.n),
                          .columns = data.columns,
                          .targets = z,
                          .noise = {},
                          .covariance = CovarianceSpec::matern52(data.groups)})) {
  for (std::size_t i = 0; i < groups_ + 2; ++i) {
    lower_.push_back(prior_of(priors, i, groups_).lower);
    upper_.push_back(prior_of(priors, i, groups_).upper);
  }
  lower_.push_back(-kMeanBound);
  upper_.push_back(kMeanBound);
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
      if (out[0] > 0) {
        failed.push_back(b);
        continue;
      }
      value[b] = -out[1];
      for (std::size_t i = 0; i < parameters; ++i) gradient[b * parameters + i] = -out[2 + i];
      add_prior(theta.subspan(b * parameters, parameters), value[b],
                gradient.subspan(b * parameters, parameters));
    }
    todo_ = std::move(failed);
    if (todo_.empty()) break;
  }
}

void NegativeLogPosterior::add_prior(std::span<const double> theta, double& value,
                                     std::span<double> gradient) const {
  const double half_log_2pi = 0.5 * std::log(2 * std::numbers::pi);
  const auto add = [&](std::size_t i, double location, double scale) {
    const double u = (theta[i] - location) / scale;
    value += 0.5 * u * u + std::log(scale) + half_log_2pi;
    gradient[i] += u / scale;
  };
  for (std::size_t i = 0; i < groups_ + 2; ++i) {
    const LogNormalPrior& prior = prior_of(priors_, i, groups_);
    add(i, prior.location, prior.scale);
  }
  add(groups_ + 2, 0.0, priors_.mean_scale);
}

}  // namespace detail
}  // namespace krigon
