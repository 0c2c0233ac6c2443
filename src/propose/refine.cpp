#include "propose/refine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "core/random.hpp"
#include "optim/lbfgsb.hpp"
#include "propose/candidates.hpp"
#include "propose/training.hpp"

namespace krigon {
namespace {

constexpr double kWorst = -std::numeric_limits<double>::infinity();
/// Ordered coordinates with more levels than this move freely first and are rounded afterwards.
constexpr std::int64_t kRelaxedFrom = 13;
/// A gain in the logarithm of the acquisition that is worth another round.
constexpr double kWorthwhile = 1e-6;

// Coordinates that the gradient may move: reals, and ordered ones of many levels; never one on which
// another's activity depends, since the function jumps there.
std::vector<bool> smooth_coordinates(const Encoding& encoding) {
  std::set<std::string> parents;
  for (const auto& parameter : encoding.space().parameters()) {
    for (const auto& condition : parameter.when) parents.insert(condition.parameter);
  }
  std::vector<bool> smooth(encoding.dims());
  for (std::size_t i = 0; i < encoding.dims(); ++i) {
    const Coordinate& c = encoding.coordinates()[i];
    const bool free = c.axis == Axis::continuous || (c.axis == Axis::ordered && c.levels >= kRelaxedFrom);
    smooth[i] = free && !parents.contains(encoding.space().parameters()[c.parameter].name);
  }
  return smooth;
}

class Refiner {
 public:
  Refiner(const MaximiseProblem& problem, const MaximiseOptions& options)
      : problem_(problem),
        options_(options),
        encoding_(problem.encoding),
        smooth_(smooth_coordinates(encoding_)),
        any_smooth_(std::find(smooth_.begin(), smooth_.end(), true) != smooth_.end()),
        any_levels_(std::any_of(encoding_.coordinates().begin(), encoding_.coordinates().end(),
                                [](const Coordinate& c) { return c.axis != Axis::continuous; })),
        random_(problem.seed, problem.number, Purpose::local_search) {}

  void run(std::vector<Candidate>& starts) {
    if (starts.empty() || encoding_.dims() == 0) return;
    for (int round = 0; round < options_.rounds; ++round) {
      bool gained = false;
      if (any_smooth_) gained = move_smoothly(starts) || gained;
      if (!any_levels_) break;
      gained = move_levels(starts) || gained;
      if (!gained || !any_smooth_) break;
    }
  }

 private:
  bool move_smoothly(std::vector<Candidate>& starts) {
    const std::size_t dims = encoding_.dims(), width = problem_.acquisition.columns();
    std::vector<double> x0, lower, upper;
    for (const Candidate& start : starts) {
      const auto active = encoding_.active(start.point);
      for (std::size_t i = 0; i < dims; ++i) {
        const bool moves = smooth_[i] && active[i];
        x0.push_back(start.point[i]);
        lower.push_back(moves ? 0.0 : start.point[i]);
        upper.push_back(moves ? 1.0 : start.point[i]);
      }
    }
    std::vector<double> rows, row_gradient;
    const auto objective = [&](std::span<const std::size_t> running, std::span<const double> x,
                               std::span<double> value, std::span<double> gradient) {
      const std::size_t m = running.size();
      rows.resize(m * width);
      row_gradient.resize(m * width);
      for (std::size_t j = 0; j < m; ++j) {
        fill_row(encoding_, problem_.step_column, x.subspan(j * dims, dims),
                 std::span(rows).subspan(j * width, width));
      }
      problem_.acquisition.evaluate_with_gradient(rows, value, row_gradient);
      for (std::size_t j = 0; j < m; ++j) {
        value[j] = -value[j];
        const auto g = gradient.subspan(j * dims, dims);
        encoding_.pull_back(std::span<const double>(row_gradient).subspan(j * width, width), g);
        for (double& entry : g) entry = -entry;
      }
    };
    LbfgsbOptions lbfgsb;
    lbfgsb.max_iterations = options_.iterations;
    lbfgsb.max_evaluations = 2 * options_.iterations;
    lbfgsb.tolerance = 1e-4;
    lbfgsb.min_decrease = 1e-7;
    const auto results = minimise_lbfgsb(objective, dims, x0, lower, upper, lbfgsb);
    std::vector<Candidate> ends;
    for (const auto& result : results) {
      Point end = result.x;
      encoding_.canonicalise(end);
      ends.push_back({std::move(end), kWorst});
    }
    evaluate_feasible(ends);
    retreat(starts, results, ends);
    return keep_better(starts, ends);
  }

  void evaluate_feasible(std::vector<Candidate>& candidates) const {
    std::vector<Point> points;
    std::vector<std::size_t> index;
    for (std::size_t k = 0; k < candidates.size(); ++k) {
      if (!encoding_.feasible(candidates[k].point)) continue;
      points.push_back(candidates[k].point);
      index.push_back(k);
    }
    const auto value = values_of(problem_, points);
    for (std::size_t k = 0; k < index.size(); ++k) candidates[index[k]].value = value[k];
  }

  // Where the end is no better than the start (it breaks a constraint, is crowded or vetoed, or rounding
  // to a level spoilt it), the best of the points on the way back, by halves.
  void retreat(const std::vector<Candidate>& starts, const std::vector<LbfgsbResult>& results,
               std::vector<Candidate>& ends) const {
    constexpr int kHalvings = 7;
    std::vector<Candidate> way;
    std::vector<std::size_t> owner;
    for (std::size_t s = 0; s < starts.size(); ++s) {
      if (ends[s].value > starts[s].value) continue;
      double part = 1;
      for (int halving = 0; halving < kHalvings; ++halving) {
        part /= 2;
        Point point(starts[s].point);
        for (std::size_t i = 0; i < point.size(); ++i) point[i] = std::lerp(point[i], results[s].x[i], part);
        encoding_.canonicalise(point);
        way.push_back({std::move(point), kWorst});
        owner.push_back(s);
      }
    }
    evaluate_feasible(way);
    for (std::size_t k = 0; k < way.size(); ++k) {
      if (way[k].value > ends[owner[k]].value) ends[owner[k]] = std::move(way[k]);
    }
  }

  bool move_levels(std::vector<Candidate>& starts) {
    // Each sweep takes the best neighbour of every start that still gains; all in one evaluation.
    bool any = false;
    std::vector<bool> open(starts.size(), true);
    for (int sweep = 0; sweep < 2 * static_cast<int>(encoding_.dims()) + 2; ++sweep) {
      std::vector<Point> all;
      std::vector<std::size_t> owner;
      for (std::size_t s = 0; s < starts.size(); ++s) {
        if (!open[s]) continue;
        for (Point& point : neighbours(encoding_, starts[s].point, random_)) {
          all.push_back(std::move(point));
          owner.push_back(s);
        }
        open[s] = false;
      }
      if (all.empty()) break;
      const auto value = values_of(problem_, all);
      for (std::size_t k = 0; k < all.size(); ++k) {
        Candidate& start = starts[owner[k]];
        if (!(value[k] > start.value + kWorthwhile)) continue;
        start = {std::move(all[k]), value[k]};
        open[owner[k]] = true;
        any = true;
      }
    }
    return any;
  }

  static bool keep_better(std::vector<Candidate>& starts, std::vector<Candidate>& ends) {
    bool any = false;
    for (std::size_t s = 0; s < starts.size(); ++s) {
      if (!(ends[s].value > starts[s].value)) continue;
      any = any || ends[s].value > starts[s].value + kWorthwhile;
      starts[s] = std::move(ends[s]);
    }
    return any;
  }

  const MaximiseProblem& problem_;
  const MaximiseOptions& options_;
  const Encoding& encoding_;
  std::vector<bool> smooth_;
  bool any_smooth_;
  bool any_levels_;
  Random random_;
};

}  // namespace

std::vector<double> values_of(const MaximiseProblem& problem, std::span<const Point> points) {
  std::vector<double> value(points.size());
  if (points.empty()) return value;
  problem.acquisition.evaluate(rows_of(problem.encoding, problem.step_column, points), value, problem.strict);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool crowded = problem.strict && problem.crowd != nullptr && problem.crowd->contains(points[i]);
    if (crowded || !std::isfinite(value[i])) value[i] = kWorst;
  }
  return value;
}

void refine(const MaximiseProblem& problem, const MaximiseOptions& options, std::vector<Candidate>& starts) {
  Refiner(problem, options).run(starts);
}

}  // namespace krigon
