#pragma once

#include <cfloat>
#include <cmath>

#include "kernels/acquisition/term.hpp"
#include "kernels/normal.hpp"

namespace krigon {

/// Log of the information that a noisy observation here gives about the smallest value of f, by the
/// bound of GIBBON (Moss, Leslie, Gonzalez, Rayson 2021, for one point), over samples m of that
/// smallest value:
///   log mean_m a_m,  a_m = -1/2 ln(1 - rho^2 w(g_m)),  g_m = (mean - m)/sigma, w(g) = r (g + r),
///   r = phi(g)/Phi(g),  rho^2 = variance / (variance + noise)
/// `noise` is the observation's variance. `samples`, 1 to MarginalTerm::kMostSamples, are read now; more
/// are cut off.
inline MarginalTerm log_gibbon(double noise, const double* samples, int count) {
  MarginalTerm term{MarginalKind::log_gibbon, noise};
  term.samples = count < MarginalTerm::kMostSamples ? count : MarginalTerm::kMostSamples;
  for (int i = 0; i < term.samples; ++i) term.sample[i] = samples[i];
  return term;
}

/// What knowing that a standard normal is above -g takes of its variance: w(g) = r (g + r).
struct Truncation {
  double log_w;
  double d_log_w;  ///< by g
  double rest;     ///< 1 - w, the variance that is left, with its own digits where w nears 1
};

/// Below g = -15 the variance that is left is its asymptotic series in t = 1/g^2 (from that of Mills'
/// ratio, Abramowitz and Stegun 26.2.12, by exact arithmetic; the first term left out is below 1e-13 of
/// the whole there); 1 - w would have no digits.
KRIGON_ELEMENT Truncation truncation(double g) {
  if (g < -15.0) {
    constexpr int kTerms = 12;
    constexpr double coefficient[kTerms] = {1,         -6,           50,           -518,
                                            6354,      -89782,       1435330,      -25625910,
                                            505785122, -10944711398, 257834384850, -6572585595622};
    const double t = 1.0 / (g * g);
    double series = 0, slope = 0;  // rest / t, d rest / dt
    for (int k = kTerms - 1; k >= 0; --k) {
      series = series * t + coefficient[k];
      slope = slope * t + (k + 1) * coefficient[k];
    }
    const double rest = t * series;
    return {std::log1p(-rest), 2.0 * t / g * slope / (1.0 - rest), rest};
  }
  constexpr double kHalfLog2Pi = 0.91893853320467274178;
  const LogCdf cdf = log_cdf(g);
  const double r = cdf.derivative;
  const double sum = g + r;
  const double rest = 1.0 - r * sum;
  return {-0.5 * g * g - kHalfLog2Pi - cdf.value + std::log(sum), rest / sum - sum, rest};
}

KRIGON_ELEMENT Term log_gibbon_term(const MarginalTerm& term, double mean, double variance) {
  const double sigma = std::sqrt(variance);
  const double total = variance + term.a;
  const double noise_share = term.a / total;
  const double share = variance / total;  // rho^2
  const double log_share = std::log(variance) - std::log(total);
  double most = -DBL_MAX;  // log a of the largest; the sums are relative to it
  double sum = 0, sum_g = 0, sum_gg = 0, sum_share = 0;
  for (int i = 0; i < term.samples; ++i) {
    const double g = held_score((mean - term.sample[i]) / sigma);
    const Truncation cut = truncation(g);
    const double log_x = cut.log_w + log_share;  // x = rho^2 w
    const double x = std::exp(log_x);
    // 1 - x by its parts where it is small. elasticity: d log a / d log x.
    double log_a, elasticity;
    if (x < 1e-8) {  // -ln(1 - x) = x (1 + x/2), to the last digit
      log_a = log_x + 0.5 * x;
      elasticity = 1.0 + 0.5 * x;
    } else {
      const double left = noise_share + share * cut.rest;
      const double information = x < 0.5 ? -std::log1p(-x) : -std::log(left);
      log_a = std::log(information);
      elasticity = x / (left * information);
    }
    if (log_a > most) {
      const double scale = std::exp(most - log_a);
      sum *= scale;
      sum_g *= scale;
      sum_gg *= scale;
      sum_share *= scale;
      most = log_a;
    }
    const double weight = std::exp(log_a - most) * elasticity;
    sum += std::exp(log_a - most);
    sum_g += weight * cut.d_log_w;
    sum_gg += weight * cut.d_log_w * g;
    sum_share += weight;
  }
  constexpr double kLog2 = 0.69314718055994530942;
  return {most + std::log(sum / term.samples) - kLog2, sum_g / sum / sigma,
          (sum_share * noise_share - 0.5 * sum_gg) / sum / variance};
}

}  // namespace krigon
