#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/acquisition/boxes.hpp"
#include "kernels/acquisition/sampled.hpp"
#include "kernels/acquisition/term.hpp"

namespace krigon {

/// Everything that an acquisition may want to know; each reads what its line in the table names. Spans
/// and pointers are the caller's and outlive the evaluation.
struct AcquisitionSettings {
  double best = 0;                   ///< the incumbent
  double least = 0;                  ///< improvement that counts (log-pi)
  double threshold = 0;              ///< of a constraint
  double noise = 0;                  ///< variance of an observation
  double kappa = 2;                  ///< standard deviations of a confidence bound
  double power = 1;                  ///< of the cost
  double unit = 1;                   ///< of the model of the log cost, in ln(cost)
  double centre = 0;                 ///< ln(cost) at that model's 0
  std::span<const double> smallest;  ///< samples of the smallest value
  std::int32_t q = 1;                ///< points evaluated together
  std::int32_t samples = 1;          ///< S
  const double* base = nullptr;      ///< S x q standard normals (q-log-ehvi: S x M q)
  const double* bests = nullptr;     ///< S: the incumbent in each sample
  BoxSet boxes;                      ///< what a new point would improve
};

/// An acquisition by name. It has exactly one of three forms.
struct AcquisitionEntry {
  std::string_view name;
  std::string_view summary;
  std::string_view settings;  ///< the members of AcquisitionSettings that it reads
  /// Of one point's mean and variance, for marginal_term, host or device.
  MarginalTerm (*marginal)(const AcquisitionSettings&) = nullptr;
  /// Of q points' joint moments by samples, for sampled_term, host or device.
  SampledTerm (*sampled)(const AcquisitionSettings&) = nullptr;
  /// Of joint moments, on the host: the value; writes the adjoint, shaped as the moments.
  double (*joint)(const AcquisitionSettings&, std::span<const double> moments, std::span<double> adjoint,
                  std::vector<double>& scratch) = nullptr;
};

/// All of them. A new acquisition is a file in kernels/acquisition (with its line in KRIGON_MARGINALS or
/// KRIGON_SAMPLED) or here, a line in this table, and a test.
std::span<const AcquisitionEntry> acquisition_table();

/// The entry of this name, or a UsageError that lists the names there are.
const AcquisitionEntry& find_acquisition(std::string_view name);

/// Doubles of moments that the acquisition is a function of: means, then covariance; for those of several
/// objectives (log-ehvi, q-log-ehvi) that for one objective after another. A `joint` of any number of
/// places (knowledge gradient) takes q places.
std::size_t acquisition_moments(const AcquisitionEntry& entry, const AcquisitionSettings& settings);

/// The value at one group of points, whatever the form, and its adjoint by the moments. UsageError where a
/// shape is wrong. `scratch` is work space, grown as needed.
double evaluate_acquisition(const AcquisitionEntry& entry, const AcquisitionSettings& settings,
                            std::span<const double> moments, std::span<double> adjoint,
                            std::vector<double>& scratch);

}  // namespace krigon
