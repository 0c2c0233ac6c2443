#include <algorithm>
#include <cmath>
#include <limits>

#include "model/gp.hpp"

namespace krigon {

namespace {

/// Values that differ by less, relative to their size, are equal but for rounding.
constexpr double kRounding = 1e-14;

double factor_for(double magnitude) {
  return magnitude > 0 ? std::ldexp(1.0, -std::clamp(std::ilogb(magnitude), -1000, 1000)) : 1.0;
}

double compress(const OutputTransform& t, double scaled) {
  if (!(scaled > t.knee)) return scaled;
  scaled = std::min(scaled, std::numeric_limits<double>::max() / 2);
  return t.knee + t.knee_width * std::log1p(std::log1p((scaled - t.knee) / t.knee_width));
}

}  // namespace

OutputTransform OutputTransform::of(std::span<const double> y, OutputScaling scaling) {
  OutputTransform t;
  double largest = 0;
  for (const double value : y) largest = std::max(largest, std::abs(value));
  if (y.empty() || !std::isfinite(largest)) return t;
  t.factor = factor_for(largest);
  if (scaling != OutputScaling::standardise) {
    const bool half = scaling == OutputScaling::winsorise_half;
    std::vector<double> sorted(y.begin(), y.end());
    std::sort(sorted.begin(), sorted.end());
    double high = sorted[static_cast<std::size_t>((half ? 0.5 : 0.8) * static_cast<double>(y.size() - 1))];
    if (half && high == sorted.front()) {  // more than half are equally good
      const auto worse = std::upper_bound(sorted.begin(), sorted.end(), high);
      if (worse != sorted.end()) high = *worse;
    }
    // Scaled by what is not extreme, or 1e300 among ones would push the ones below precision.
    const double factor = factor_for(std::max(std::abs(high), std::abs(sorted.front())));
    const double width = (half ? 1 : 5) * (high * factor - sorted.front() * factor);
    if (width > kRounding) {
      t.factor = factor;
      t.knee = high * factor + width;
      t.knee_width = width;
    }
  }
  std::vector<double> scaled;
  scaled.reserve(y.size());
  for (const double value : y) scaled.push_back(compress(t, value * t.factor));
  const auto n = static_cast<double>(scaled.size());
  // Twice: the second pass takes off what rounding left of a mean far from 0.
  for (int pass = 0; pass < 2; ++pass) {
    double rest = 0;
    for (const double value : scaled) rest += (value - t.centre) / n;
    t.centre += rest;
  }
  double square = 0;
  for (const double value : scaled) square += (value - t.centre) * (value - t.centre) / n;
  const double spread = std::sqrt(square);
  // After the factor the largest value is around 1.
  t.spread = spread > kRounding ? spread : 1.0;
  return t;
}

double OutputTransform::forward(double y) const {
  return (compress(*this, y * factor) - centre) / spread;
}

double OutputTransform::inverse(double z) const {
  double scaled = z * spread + centre;
  if (scaled > knee) scaled = knee + knee_width * std::expm1(std::expm1((scaled - knee) / knee_width));
  return scaled / factor;
}

}  // namespace krigon
