#include <cmath>
#include <numbers>

#include "model/gp.hpp"

namespace krigon {

Priors Priors::for_groups(std::size_t groups) {
  // LogNormal(mu, sigma) as a density of l itself has its mode at exp(mu - sigma^2); on ln l, where
  // the search runs, that is a normal around mu - sigma^2.
  const double mu = std::numbers::sqrt2 + 0.5 * std::log(static_cast<double>(groups > 0 ? groups : 1));
  const double sigma = std::numbers::sqrt3;
  Priors priors;
  priors.lengthscale = {mu - sigma * sigma, sigma, std::log(0.005), std::log(200.0)};
  priors.signal_variance = {0.0, 1.5, std::log(1e-3), std::log(1e3)};
  priors.noise_variance = {std::log(1e-4), 3.0, std::log(1e-8), std::log(4.0)};
  priors.mean_scale = 1.0;
  return priors;
}

}  // namespace krigon
