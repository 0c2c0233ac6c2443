#include "propose/maximise.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "core/random.hpp"
#include "propose/candidates.hpp"
#include "propose/refine.hpp"

namespace krigon {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<Point> raw_candidates(const MaximiseProblem& problem, const MaximiseOptions& options) {
  if (problem.listed != nullptr) return *problem.listed;
  Random random(problem.seed, problem.number, Purpose::candidates);
  auto points = sobol_candidates(problem.encoding, options.sobol, random());
  auto perturbed = perturbed_candidates(problem.encoding, problem.incumbents, options.perturbed, random);
  points.insert(points.end(), std::make_move_iterator(perturbed.begin()),
                std::make_move_iterator(perturbed.end()));
  // Where constraints leave so little of the space that draws miss it, what was tried is a start.
  if (points.empty()) points.assign(problem.incumbents.begin(), problem.incumbents.end());
  return points;
}

}  // namespace

std::optional<Maximum> maximise(const MaximiseProblem& problem, const MaximiseOptions& options,
                                AskTimings* timings) {
  const auto start = std::chrono::steady_clock::now();
  auto points = raw_candidates(problem, options);
  const auto value = values_of(problem, points);
  std::vector<Candidate> refined;
  if (problem.listed == nullptr) {
    Random random(problem.seed, problem.number, Purpose::boltzmann);
    for (const std::size_t i : choose_starts(value, options.starts, random)) {
      refined.push_back({points[i], value[i]});
    }
  }
  if (timings != nullptr) timings->candidates += seconds_since(start);

  const auto refinement = std::chrono::steady_clock::now();
  refine(problem, options, refined);
  for (std::size_t i = 0; i < points.size(); ++i) refined.push_back({std::move(points[i]), value[i]});
  // Free points first, then by value; the first made among equals.
  std::optional<Maximum> best;
  for (Candidate& c : refined) {
    if (!std::isfinite(c.value)) continue;
    const bool repeated = problem.taken.contains(c.point);
    const bool better = !best || (best->repeated != repeated ? best->repeated : c.value > best->value);
    if (better) best = Maximum{std::move(c.point), c.value, repeated};
  }
  if (timings != nullptr) timings->refinement += seconds_since(refinement);
  if (problem.strict && (!best || best->repeated)) {
    MaximiseProblem anywhere = problem;
    anywhere.strict = false;
    return maximise(anywhere, options, timings);
  }
  return best;
}

}  // namespace krigon
