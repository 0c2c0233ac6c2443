#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/sampler.hpp"
#include "model/limits.hpp"
#include "propose/maximise.hpp"

namespace krigon {

class Backend;

/// A proposal of the exact process stays well under a second on two cores.
inline constexpr std::size_t kDefaultObservations = 2000;

struct GpSamplerOptions {
  std::optional<std::int64_t> initial;      ///< trials of the first phase; absent: default_initial()
  std::size_t most = kDefaultObservations;  ///< observations that the model is told of at most
  std::size_t exact = kExactPoints;         ///< beyond so many the model is Vecchia's approximation
  MaximiseOptions maximise;
  /// Canonical, feasible points: no others are proposed, in random order as long as there is no model. Empty:
  /// the whole space. For tables of what was measured before.
  std::vector<Point> among = {};
  AskTimings* timings = nullptr;  ///< overwritten by every proposal of the model; may be null
};

/// Trials before the model takes over: 5 to 20, twice the number of coordinates in between.
std::int64_t default_initial(std::size_t dims);

/// Bayesian optimisation with a Gaussian process.
///
/// First phase: scrambled Sobol' points, until the study has `initial` trials (those that people
/// enqueued and those still running counted) and at least two observations. Then for each proposal:
///
/// 1. Observations as in training.hpp. Hyperparameters are refitted (MAP, several starts, one of them
///    warm) when the observations have grown by a thirtieth, at every tell while they are few, and
///    otherwise taken as the newest earlier trial's Proposal::model has them. Nothing else is
///    remembered, and the factor is made anew, so that a resumed study proposes the same points.
/// 2. The acquisition is log expected improvement over the best posterior mean at observed and pending
///    points (not the best value, which noise makes too good), predicted at the last step. Pending
///    trials are conditioned on with their posterior mean ("kriging believer"). Where trials have
///    failed, the log probability that a trial ends well is added, from a second Gaussian process over
///    0 (ended) and 1 (failed); below one half it is a veto while there are other places.
/// 3. maximise().
///
/// What goes wrong falls back a step at a time and is said in Proposal::note: refitted hyperparameters,
/// then those of an earlier trial, then the prior's mode, then a Sobol' point.
///
/// Proposal::model: {"hyperparameters": {"log_lengthscale": [...], "log_signal_variance": x,
/// "log_noise_variance": x, "mean": x}, "step_column": bool, "fitted_at": observations, "value": of the
/// acquisition}, "approximation": "vecchia" where there were more observations than the exact process is
/// for, and "failure" like "hyperparameters" with "failure_fitted_at" where trials failed.
std::unique_ptr<Sampler> make_gp_sampler(const Space& space, std::uint64_t seed,
                                         std::shared_ptr<Backend> backend,
                                         const GpSamplerOptions& options = {});

}  // namespace krigon
