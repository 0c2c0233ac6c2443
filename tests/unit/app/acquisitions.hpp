#pragma once

#include <cmath>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "krigon/acquisition.hpp"
#include "tests/unit/app/surface.hpp"

namespace krigon {

/// The surface with noise of standard deviation 6 (y's own is around 13).
inline std::vector<double> noisy_at(const std::vector<double>& x, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 6);
  auto y = surface_at(x);
  for (double& value : y) value += normal(random);
  return y;
}

/// Another objective over the same points.
inline std::vector<double> slope_at(const std::vector<double>& x) {
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); i += 2) y.push_back(0.01 * std::pow(x[i] - 6, 2) - 0.3 * x[i + 1]);
  return y;
}

/// As values are standardised: the root of the mean square around the mean.
inline double spread(const std::vector<double>& y) {
  const double mean = std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size());
  double square = 0;
  for (const double value : y) square += (value - mean) * (value - mean);
  return std::sqrt(square / static_cast<double>(y.size()));
}

/// Noise that is known, so that no test depends on what a fit finds.
inline GpOptions noisy_options() {
  GpOptions options = boxed();
  options.noise = 36;
  return options;
}

inline bool several(const std::string& name) {
  return name.starts_with("q-") || name == "gibbon" || name == "thompson";
}

/// Cheaper than the default, for all acquisitions of these processes.
inline AcquisitionOptions cheap(const std::string& name) {
  AcquisitionOptions options;
  options.name = name;
  options.samples = 32;
  options.places = 16;
  options.threshold = 300;
  if (name.ends_with("ehvi")) {
    options.reference = {320, 0.2};
    options.directions = {Direction::minimize, Direction::maximize};
  }
  return options;
}

struct Two {
  GaussianProcess make_second() const {
    GpOptions options = boxed();
    options.noise = 1e-3;
    return GaussianProcess::fit(x, 2, slope_at(x), options);
  }
  std::vector<double> x = points(25);
  GaussianProcess first = GaussianProcess::fit(x, 2, noisy_at(x), noisy_options());
  GaussianProcess second = make_second();
  std::vector<GaussianProcess*> both = {&first, &second};

  std::span<GaussianProcess* const> of(const std::string& name) const {
    return std::span(both).first(name.ends_with("ehvi") ? 2 : 1);
  }
};

}  // namespace krigon
