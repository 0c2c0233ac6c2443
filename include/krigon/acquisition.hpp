#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krigon/gp.hpp"
#include "krigon/study.hpp"

#pragma GCC visibility push(default)

namespace krigon {

/// Values are of y standardised, and larger is better. `name` is one of
///
///   name          q        reads                 is
///   log-ei        1        best                  log expected improvement
///   log-pi        1        best                  log probability of improvement
///   ucb           1        kappa                 confidence bound
///   log-variance  1                              log of the variance
///   log-probability-below, log-probability-above
///                 1        threshold             log probability that f is there: feasibility, whatever
///                                                the direction
///   log-kg        1        places                log knowledge gradient
///   log-gibbon    1        minima                log information about the smallest value
///   q-log-ei      1..      best, samples         of q points together
///   q-log-pi      1..      best, samples
///   q-ucb         1..      kappa, samples
///   q-log-nei     1..      baseline, samples     log noisy expected improvement
///   gibbon        1..      minima                information about the smallest value, in nats
///   thompson      1..                            the sum over i of minus f_i(x_i), f_i the i-th sample path
///   log-ehvi      1        reference, directions            log expected hypervolume improvement
///   q-log-ehvi    1 to 8   reference, directions, samples
///
/// The last two are of 1 to 4 processes, all others of one. All read direction (log-ehvi: directions) and
/// seed, and when maximised the options of the search. What an acquisition does not read is ignored.
///
/// Sources: log-ei and q-log-ei Ament et al. 2023; q-ucb Wilson et al. 2018; q-log-nei Letham et al. 2019;
/// log-kg Frazier, Powell, Dayanik 2009; gibbon Moss et al. 2021; thompson Wilson et al. 2020; log-ehvi
/// Yang et al. 2019; q-log-ehvi Daulton, Balandat, Bakshy 2020.
struct AcquisitionOptions {
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
  /// q-log-nei: improvement is over the least of f at so many of the observed points (each once), those of
  /// the best posterior mean. Their values are uncertain: they are sampled jointly, and the process is
  /// conditioned on each sample besides the observations. Others are taken to be no better.
  std::size_t baseline = 64;
  /// log-kg: where one may settle afterwards, besides the candidate: half of so many are observed points,
  /// those of the best posterior mean (each once), the others scrambled Sobol points.
  std::size_t places = 64;
  /// gibbon: samples of the smallest value, 1 to 16, by Gumbel's distribution fitted to f at the observed
  /// points and at `raw` scrambled Sobol points.
  std::size_t minima = 10;
  double threshold = 0;                    ///< log-probability-below, -above: in units of y
  std::vector<double> reference = {};      ///< log-ehvi: as bad as counts, in units of y, for each process
  std::vector<Direction> directions = {};  ///< log-ehvi: for each process; empty: `direction` for all
};

struct AcquisitionMaximum {
  std::vector<double> x;  ///< q x d
  double value = 0;       ///< of the acquisition
};

/// The names that AcquisitionOptions::name accepts.
std::vector<std::string> acquisition_names();

/// The acquisition at groups of q points (x: m q x d), value: m; and its gradient (m q x d; 0 along
/// categorical columns) unless that is empty. UsageError for an unknown name, a q that it has not, and shapes
/// that do not match. Numerical trouble is a value: NaN; -infinity where nothing is to be gained.
void evaluate_acquisition(GaussianProcess& process, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value,
                          std::span<double> gradient = {});

/// The best group of q points found in the box: the acquisition is evaluated at `raw` candidates at once,
/// `starts` of them are drawn by Boltzmann's rule and refined together. Points of the best group of several
/// are then exchanged for those of the others, and refined, while that gains (Fedorov 1972). A function of
/// its arguments alone. thompson: every path's best point, of four times as many candidates and the observed
/// points.
AcquisitionMaximum maximize_acquisition(GaussianProcess& process, const AcquisitionOptions& options = {});

/// The same for several objectives, one process each, fitted to the same points. log-ehvi and q-log-ehvi
/// are over the observations' front; objectives are independent given the data. One process alone may
/// have any acquisition.
void evaluate_acquisition(std::span<GaussianProcess* const> processes, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value,
                          std::span<double> gradient = {});
AcquisitionMaximum maximize_acquisition(std::span<GaussianProcess* const> processes,
                                        const AcquisitionOptions& options);

/// An acquisition that is evaluated often: what the two functions above do, prepared once. Preparing takes a
/// factorisation for q-log-nei and log-kg. The processes must outlive this, and stay as they are. Not
/// thread-safe.
class PreparedAcquisition {
 public:
  PreparedAcquisition(GaussianProcess& process, AcquisitionOptions options);
  PreparedAcquisition(std::span<GaussianProcess* const> processes, AcquisitionOptions options);
  PreparedAcquisition(PreparedAcquisition&&) noexcept;
  PreparedAcquisition& operator=(PreparedAcquisition&&) noexcept;
  ~PreparedAcquisition();

  void evaluate(std::span<const double> x, std::span<double> value, std::span<double> gradient = {});
  AcquisitionMaximum maximize();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon

#pragma GCC visibility pop
