#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace krigon {

struct LbfgsbOptions {
  int memory = 10;            ///< correction pairs, >= 1
  int max_iterations = 100;   ///< per start
  int max_evaluations = 500;  ///< per start
  /// Stop when no entry of the projected gradient P(x - g) - x is larger. Absolute: a relative test of
  /// the value stops far too early where the value crosses zero.
  double tolerance = 1e-5;
  /// Also stop after two iterations in a row that gained less than this; 0: never.
  double min_decrease = 0;
  /// After that many evaluations of each start only the one with the lowest value goes on; 0: all do.
  int race_evaluations = 0;
  /// A start ends when its last two iterations' gains, so many times over, would not take it past the lowest
  /// value of any; 0: none does.
  double hopeless_gains = 0;
  /// A start ends in the basin of another that has ended: no entry of x is further than that from its end,
  /// and half the slope towards it is what is left to gain, as of a quadratic; 0: none does.
  double merge_distance = 0;
  /// No entry of x moves by more in a line search's first step; 0: as the model says.
  double max_step = 0;
};

enum class LbfgsbStatus {
  converged,   ///< the projected gradient is below the tolerance
  small_gain,  ///< by min_decrease
  limit,       ///< iterations or evaluations
  outrun,      ///< behind another start: at the end of the race, hopelessly, or in its basin
  stalled,     ///< no lower value along the steepest descent: at the limit of the objective's precision
  not_finite,  ///< the objective is not finite at the start
};

/// What a search has learnt of the second derivatives: differences of x and of the gradient, k x P each,
/// oldest first.
struct Curvature {
  std::vector<double> steps;
  std::vector<double> changes;
};

struct LbfgsbResult {
  std::vector<double> x;  ///< within the bounds exactly
  double value = 0;
  std::vector<double> gradient;
  double projected_gradient = 0;  ///< largest entry in magnitude
  int iterations = 0;
  int evaluations = 0;
  LbfgsbStatus status = LbfgsbStatus::not_finite;
  Curvature curvature;
};

/// Evaluates the points of the starts that are still running: `starts` says which (ascending), x and
/// gradient are starts.size() x P, row-major. A value or gradient that is not finite means "not here":
/// the step is shortened.
using BatchObjective = std::function<void(std::span<const std::size_t> starts, std::span<const double> x,
                                          std::span<double> value, std::span<double> gradient)>;

/// Minimises from every start within lower <= x <= upper by L-BFGS-B, all starts in lockstep: one call
/// of the objective per step for all that still run. Each start has its own memory, so it takes the
/// same steps, bit for bit, alone and among others (coupling them slows every one down); the others may only
/// end it sooner, where an option says so.
///
/// x0: S x P, row-major, moved into the bounds where outside. lower, upper: P entries, or S x P to give
/// each start its own; equal bounds fix a variable; infinite ones are fine. Misfit shapes and lower >
/// upper are a UsageError.
///
/// known: nothing, or for each start what is known of the second derivatives around it, as from a search of
/// a similar objective: the first step then is a quasi-Newton one.
///
/// Byrd, Lu, Nocedal, Zhu 1995, "A limited memory algorithm for bound constrained optimization":
/// generalised Cauchy point, then the minimum over the free variables (its section 5.1), shortened or
/// projected (Morales and Nocedal 2011), whichever the model prefers; a line search for the strong Wolfe
/// conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).
std::vector<LbfgsbResult> minimise_lbfgsb(const BatchObjective& objective, std::size_t dimension,
                                          std::span<const double> x0, std::span<const double> lower,
                                          std::span<const double> upper, const LbfgsbOptions& options = {},
                                          std::span<const Curvature> known = {});

}  // namespace krigon
