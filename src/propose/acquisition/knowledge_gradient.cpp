#include "propose/acquisition/knowledge_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/acquisition/sampled.hpp"
#include "kernels/normal.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/layout.hpp"

namespace krigon {
namespace {

struct Line {
  double height;  // at z = 0
  double slope;
  std::size_t place;
};

// The lines that are largest somewhere, by slope; `lines` in any order.
std::vector<Line> upper_envelope(std::vector<Line> lines) {
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    if (a.slope != b.slope) return a.slope < b.slope;
    if (a.height != b.height) return a.height < b.height;
    return a.place > b.place;
  });
  std::vector<Line> envelope;
  std::vector<double> from;  // where each begins to be the largest
  for (const Line& line : lines) {
    if (!envelope.empty() && envelope.back().slope == line.slope) {
      envelope.pop_back();
      from.pop_back();
    }
    double begin = -std::numeric_limits<double>::infinity();
    while (!envelope.empty()) {
      const Line& last = envelope.back();
      begin = (last.height - line.height) / (line.slope - last.slope);
      if (begin > from.back() || (envelope.size() == 1 && begin >= from.back())) break;
      envelope.pop_back();
      from.pop_back();
      begin = -std::numeric_limits<double>::infinity();
    }
    envelope.push_back(line);
    from.push_back(begin);
  }
  return envelope;
}

}  // namespace

double log_knowledge_gradient(std::span<const double> moments, double noise, std::span<double> adjoint) {
  const std::size_t n = points_of_moments(moments.size(), adjoint.size());
  constexpr double kLeastVariance = 1e-20;
  std::fill(adjoint.begin(), adjoint.end(), 0.0);
  const auto mean = moments.first(n), cross = moments.subspan(n, n);
  const bool finite = std::all_of(moments.begin(), moments.begin() + static_cast<std::ptrdiff_t>(2 * n),
                                  [](double x) { return std::isfinite(x); });
  if (!finite || !std::isfinite(noise)) return std::numeric_limits<double>::quiet_NaN();
  const double total = std::max(cross[0] + noise, kLeastVariance);
  const double sigma = std::sqrt(total);
  std::vector<Line> lines(n);
  for (std::size_t a = 0; a < n; ++a) lines[a] = {-mean[a], cross[a] / sigma, a};
  const std::vector<Line> envelope = upper_envelope(std::move(lines));
  if (envelope.size() < 2) return -std::numeric_limits<double>::infinity();

  // sum over corners of (slope step) h(-|c|), c where the two lines meet; h of log_h.
  LogMean sum;
  std::vector<double> d_height(envelope.size(), 0.0), d_slope(envelope.size(), 0.0);
  for (std::size_t i = 0; i + 1 < envelope.size(); ++i) {
    const double step = envelope[i + 1].slope - envelope[i].slope;
    const double fall = envelope[i].height - envelope[i + 1].height;
    const double u = -std::fabs(held_score(fall / step));
    const LogH h = log_h(u);
    double scale = 1;
    const double weight = take(sum, saturated(std::log(step) + h.value), scale);
    if (scale != 1) {
      for (double& d : d_height) d *= scale;
      for (double& d : d_slope) d *= scale;
    }
    const double by_fall = weight * saturated(h.derivative / step) * (fall > 0 ? -1 : fall < 0 ? 1 : 0);
    const double by_step = weight * saturated((1 - u * h.derivative) / step);
    d_height[i] += by_fall;
    d_height[i + 1] -= by_fall;
    d_slope[i] -= by_step;
    d_slope[i + 1] += by_step;
  }
  const auto d_covariance = adjoint.subspan(n);
  double d_sigma = 0;
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    const std::size_t a = envelope[i].place;
    adjoint[a] = saturated(-d_height[i] / sum.sum);
    const double d = d_slope[i] / sum.sum / sigma;
    d_sigma -= d * envelope[i].slope;
    if (a == 0) {
      d_covariance[0] += d;
    } else {
      d_covariance[a] = d_covariance[a * n] = saturated(0.5 * d);
    }
  }
  const double d_variance = cross[0] + noise > kLeastVariance ? 0.5 * d_sigma / sigma : 0.0;
  d_covariance[0] = saturated(d_covariance[0] + d_variance);
  return saturated(sum.most + std::log(sum.sum));
}

}  // namespace krigon
