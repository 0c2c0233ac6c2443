#include "propose/acquisition/gibbon.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "kernels/acquisition/joint.hpp"
#include "kernels/acquisition/marginal.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/layout.hpp"

namespace krigon {

std::vector<double> smallest_value_samples(std::span<const double> mean, std::span<const double> variance,
                                           std::span<const double> uniform, double most) {
  if (mean.empty() || mean.size() != variance.size()) {
    throw UsageError("samples of the smallest value: " + std::to_string(mean.size()) + " means and " +
                     std::to_string(variance.size()) + " variances");
  }
  // Brackets: the smallest of n normals is almost surely within these.
  double low = std::numeric_limits<double>::infinity(), high = low;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double sigma = std::sqrt(variance[i]);
    low = std::min(low, mean[i] - 40 * sigma);
    high = std::min(high, mean[i] + 5 * sigma);
  }
  const auto quantile = [&](double p) {  // where P(min > y) = 1 - p
    double a = low, b = high;
    for (int step = 0; step < 100 && a < b; ++step) {
      const double y = a + 0.5 * (b - a);
      double log_above = 0;
      for (std::size_t i = 0; i < mean.size(); ++i) {
        log_above += log_cdf(held_score((mean[i] - y) / std::sqrt(variance[i]))).value;
      }
      (log_above > std::log1p(-p) ? a : b) = y;
      if (y == a && y == b) break;
    }
    return a + 0.5 * (b - a);
  };
  // P(min <= y) = 1 - exp(-exp((y - location)/scale)).
  const auto standard = [](double p) { return std::log(-std::log1p(-p)); };
  const double scale = (quantile(0.75) - quantile(0.25)) / (standard(0.75) - standard(0.25));
  const double location = quantile(0.5) - scale * standard(0.5);
  std::vector<double> samples;
  for (const double u : uniform) samples.push_back(std::min(most, location + scale * standard(u)));
  return samples;
}

double gibbon(std::span<const double> moments, double noise, std::span<const double> samples,
              std::span<double> adjoint) {
  const std::size_t q = points_of_moments(moments.size(), adjoint.size());
  if (samples.empty() || samples.size() > MarginalTerm::kMostSamples) {
    throw UsageError("gibbon: " + std::to_string(samples.size()) + " samples of the smallest value; 1 to " +
                     std::to_string(MarginalTerm::kMostSamples) + " are allowed");
  }
  std::vector<double> observed(moments.begin() + static_cast<std::ptrdiff_t>(q), moments.end());
  for (std::size_t i = 0; i < q; ++i) observed[i * q + i] += noise;
  std::vector<double> l(q * q), dl(q * q, 0.0);
  std::fill(adjoint.begin(), adjoint.end(), 0.0);
  const JointFactor factor = joint_factor(static_cast<int>(q), observed.data(), l.data());
  if (!factor.ok) return std::numeric_limits<double>::quiet_NaN();
  // 1/2 log |R| = sum log L_ii - 1/2 sum log C_ii, C = L L', jitter included.
  double value = 0;
  const auto d_covariance = adjoint.subspan(q);
  for (std::size_t i = 0; i < q; ++i) {
    value += std::log(l[i * q + i]);
    dl[i * q + i] = 1 / l[i * q + i];
  }
  factor_adjoint(static_cast<int>(q), factor, l.data(), dl.data(), d_covariance.data());
  const double jitter =
      factor.widest < 0 ? 0.0 : factor.jitter * observed[static_cast<std::size_t>(factor.widest) * (q + 1)];
  const MarginalTerm term = log_gibbon(noise, samples.data(), static_cast<int>(samples.size()));
  for (std::size_t i = 0; i < q; ++i) {
    const double total = observed[i * q + i] + jitter;
    value -= 0.5 * std::log(total);
    d_covariance[i * q + i] -= 0.5 / total;
    if (factor.widest >= 0) {
      d_covariance[static_cast<std::size_t>(factor.widest) * (q + 1)] -= 0.5 * factor.jitter / total;
    }
    constexpr double kLeastVariance = 1e-20;
    const double variance = moments[q + i * (q + 1)];
    const Term information = marginal_term(term, moments[i], std::max(variance, kLeastVariance));
    const double nats = std::exp(information.value);
    value += nats;
    adjoint[i] = saturated(nats * information.d_mean);
    if (variance > kLeastVariance) d_covariance[i * q + i] += nats * information.d_variance;
  }
  for (double& d : d_covariance) d = saturated(d);
  return saturated(value);
}

}  // namespace krigon
