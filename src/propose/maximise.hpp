#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/encoding.hpp"
#include "propose/acquisition/acquisition.hpp"
#include "propose/places.hpp"

namespace krigon {

/// Where the time of one ask went, in seconds.
struct AskTimings {
  double fit = 0;         ///< hyperparameters and factorisation
  double candidates = 0;  ///< raw candidates: made, evaluated, chosen from
  double refinement = 0;
  bool refitted = false;
  std::size_t observations = 0;
};

struct MaximiseOptions {
  std::size_t sobol = 1024;    ///< raw candidates spread over the space
  std::size_t perturbed = 64;  ///< variations of each incumbent
  std::size_t starts = 10;     ///< that are refined
  int rounds = 3;              ///< of continuous and discrete refinement in turn, in mixed spaces
  int iterations = 40;         ///< of L-BFGS-B, per round and start
};

/// A function of a point that is to be maximised, over a search space.
struct MaximiseProblem {
  Acquisition& acquisition;
  const Encoding& encoding;
  bool step_column = false;
  const Taken& taken;
  const Crowd* crowd = nullptr;                ///< where not to go; null: nowhere
  std::span<const Point> incumbents = {};      ///< to vary; the best first
  const std::vector<Point>* listed = nullptr;  ///< every feasible point, where the space is small
  std::uint64_t seed = 0;
  std::uint64_t number = 0;
  bool strict = true;  ///< keeps out of the crowd, and of what the acquisition vetoes
};

struct Maximum {
  Point point;  ///< canonical, feasible
  double value = 0;
  bool repeated = false;  ///< a trial holds it: there was no free point
};

/// The best free feasible point found. A listed space is searched exhaustively; else candidates are
/// drawn, some of them chosen and refined in lockstep: reals (and ordered coordinates of many levels, as
/// if they were real) by L-BFGS-B, then coordinates with levels by moving to the best neighbour while
/// that helps. A refined point that breaks a constraint, is crowded or vetoed is taken back towards where
/// it came from. Where that leaves no place at all, crowd and vetoes are forgotten.
/// nullopt where no candidate has a finite value. A function of its arguments alone.
std::optional<Maximum> maximise(const MaximiseProblem& problem, const MaximiseOptions& options,
                                AskTimings* timings);

}  // namespace krigon
