#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krigon/gp.hpp"
#include "krigon/study.hpp"

#pragma GCC visibility push(default)

namespace krigon {

struct AcquisitionOptions {
  /// One point: "log-ei", "log-pi", "ucb", "log-variance". Several: "q-log-ei", "q-log-pi", "q-ucb".
  std::string name = "log-ei";
  Direction direction = Direction::minimize;
  std::size_t q = 1;                           ///< points proposed together
  std::optional<double> best;                  ///< the incumbent, in units of y; absent: the best observation
  double kappa = 2;                            ///< ucb: standard deviations
  std::size_t samples = 128;                   ///< of the joint acquisitions, quasi-Monte-Carlo
  std::size_t raw = 1024;                      ///< scrambled Sobol candidates that starts are chosen among
  std::size_t starts = 20;                     ///< refined by gradient in lockstep
  int iterations = 200;                        ///< of L-BFGS-B, at most
  std::vector<double> lower = {}, upper = {};  ///< where to look; empty: the process's box
  std::uint64_t seed = 0;
};

struct AcquisitionMaximum {
  std::vector<double> x;  ///< q x d
  double value = 0;       ///< of the acquisition, for y standardised
};

/// The names that AcquisitionOptions::name accepts.
std::vector<std::string> acquisition_names();

/// The acquisition at groups of q points (x: m q x d), value: m; and its gradient (m q x d) unless that
/// is empty.
void evaluate_acquisition(GaussianProcess& process, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value,
                          std::span<double> gradient = {});

/// The best group of q points found in the box: the acquisition is evaluated at `raw` candidates at once,
/// `starts` of them are drawn by Boltzmann's rule and refined together. A function of its arguments alone.
AcquisitionMaximum maximize_acquisition(GaussianProcess& process, const AcquisitionOptions& options = {});

}  // namespace krigon

#pragma GCC visibility pop
