#pragma once

#include <span>
#include <vector>

namespace krigon {

/// Samples of the smallest value of f, by quantile matching of a Gumbel distribution (Wang and Jegelka
/// 2017, for minima): the distribution of the smallest of independent normals with these
/// means and variances, P(min > y) = prod_i Phi((mean_i - y)/sigma_i), is met at its quartiles and median.
/// One sample for each number of `uniform`, in (0, 1); none is above `most`, the smallest value known.
/// At least one place; variances > 0.
std::vector<double> smallest_value_samples(std::span<const double> mean, std::span<const double> variance,
                                           std::span<const double> uniform, double most);

/// The information, in nats, that noisy observations at q points give about the smallest value of f, by
/// the bound of GIBBON (Moss, Leslie, Gonzalez, Rayson 2021):
///   1/2 log |R| + sum_i a_i,  R the correlations of the observations, a_i as in log_gibbon
/// `moments`: q means, then the q x q covariance of f; `noise`: an observation's variance; `samples`: of
/// the smallest value, 1 to MarginalTerm::kMostSamples. `adjoint`, shaped as the moments: the derivatives,
/// with the covariance's over all its entries (symmetric). Not a logarithm. NaN, with adjoints of 0, where
/// the covariance cannot be factorised.
double gibbon(std::span<const double> moments, double noise, std::span<const double> samples,
              std::span<double> adjoint);

}  // namespace krigon
