#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backend/backend.hpp"
#include "model/gp.hpp"

namespace krigon::detail {

/// Jitter is tried in this order, relative to K's mean diagonal: none, then 1e-8 and tenfold steps.
inline constexpr double kJitterSteps[] = {0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2};

/// Hyperparameters in a row, in the order of ThetaLayout, without the jitter.
std::vector<double> pack(const Hyperparameters& hyperparameters);
Hyperparameters unpack(std::span<const double> row, const ThetaLayout& layout);
/// UsageError where there are not as many as the layout has; `what` begins the message.
void check_count(const Hyperparameters& hyperparameters, const ThetaLayout& layout, std::string_view what);
/// The most probable ones before any data.
Hyperparameters prior_mode(const Priors& priors, const ThetaLayout& layout);
/// Known noise variances in model units.
std::vector<double> model_noise(const GpData& data, const OutputTransform& transform);

/// Where a search over rows of hyperparameters may go.
void prior_bounds(const Priors& priors, const ThetaLayout& layout, std::vector<double>& lower,
                  std::vector<double>& upper);
/// Adds a row's negative log prior density, and its gradient.
void add_negative_log_prior(const Priors& priors, const ThetaLayout& layout, std::span<const double> theta,
                            double& value, std::span<double> gradient);

/// The negative log posterior of hyperparameters given data, for minimise_lbfgsb.
class NegativeLogPosterior {
 public:
  /// z, noise: in model units; noise may be empty.
  NegativeLogPosterior(Backend& backend, const GpData& data, std::span<const double> z,
                       std::span<const double> noise, const Priors& priors);

  std::size_t dimension() const { return static_cast<std::size_t>(layout_.parameters()); }
  const std::vector<double>& lower() const { return lower_; }
  const std::vector<double>& upper() const { return upper_; }
  int evaluations() const { return evaluations_; }

  /// Values and gradients of value.size() rows of theta. Where no jitter helps, they are NaN.
  void operator()(std::span<const double> theta, std::span<double> value, std::span<double> gradient);
  /// The jitter that the last call needed for each row.
  const std::vector<double>& jitter() const { return jitter_; }
  /// The largest that any evaluation has needed.
  double largest_jitter() const { return largest_jitter_; }

 private:
  Backend& backend_;
  ThetaLayout layout_;
  Priors priors_;
  std::unique_ptr<ResidentData> data_;
  std::vector<double> lower_, upper_, jitter_, host_theta_, host_out_;
  std::vector<std::size_t> todo_;
  Buffer theta_, out_;
  int evaluations_ = 0;
  double largest_jitter_ = 0;
};

}  // namespace krigon::detail
