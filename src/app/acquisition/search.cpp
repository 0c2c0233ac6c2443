#include "app/acquisition/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "app/acquisition/exchange.hpp"
#include "core/random.hpp"
#include "optim/lbfgsb.hpp"
#include "propose/candidates.hpp"

namespace krigon {

namespace {

/// Of the acquisition, a gain that ends a search. Several points are exchanged afterwards, which gains far
/// more than the last steps before.
constexpr double kFine = 1e-9;
constexpr double kCoarse = 1e-5;

/// Ends in unit coordinates, from starts: groups of q points. Choices stay as they are.
std::vector<LbfgsbResult> refine(const GroupFunction& function, const SearchBox& box, std::size_t dims,
                                 std::span<const double> starts, int iterations, double min_decrease) {
  std::vector<double> x0(starts.size()), lower(starts.size(), 0.0), upper(starts.size(), 1.0);
  box.to_unit(starts, x0);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t c = i % box.columns();
    if (box.categorical(c) || !(box.width(c) > 0)) lower[i] = upper[i] = x0[i];
  }
  LbfgsbOptions lbfgsb;
  lbfgsb.max_iterations = iterations;
  lbfgsb.max_evaluations = 2 * iterations;
  lbfgsb.tolerance = 1e-5;
  lbfgsb.min_decrease = min_decrease;
  std::vector<double> x;
  return minimise_lbfgsb(
      [&](std::span<const std::size_t>, std::span<const double> unit, std::span<double> value,
          std::span<double> gradient) {
        x.resize(unit.size());
        box.from_unit(unit, x);
        function(x, value, gradient);
        for (double& entry : value) entry = -entry;
        for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] *= -box.width(i % box.columns());
      },
      dims, x0, lower, upper, lbfgsb);
}

}  // namespace

void append_greedy(const GroupFunction& function, const std::function<void(std::size_t)>& regroup,
                   const SearchBox& box, const AcquisitionOptions& options, std::vector<double>& x,
                   std::vector<double>& value) {
  const std::size_t d = box.columns();
  // The first among many, the others among the best of those: what a point adds to others is hardly more than
  // what it is worth alone.
  const std::size_t first = std::max<std::size_t>(options.raw, 1);
  std::vector<double> points = box.sobol(first, 1, Random(options.seed, 4, Purpose::candidates)());
  std::vector<double> found(first);
  regroup(1);
  function(points, found, {});
  for (double& entry : found) entry = std::isnan(entry) ? -std::numeric_limits<double>::infinity() : entry;
  std::vector<std::size_t> order(first);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found[a] > found[b]; });
  order.resize(std::clamp<std::size_t>(2 * first / options.q, 1, first));
  const auto point = [&](std::size_t i) { return std::span(points).subspan(order[i] * d, d); };
  std::vector<double> group(point(0).begin(), point(0).end()), groups;
  found.resize(order.size());
  std::size_t best = 0;
  for (std::size_t k = 1; k < options.q; ++k) {
    groups.clear();
    for (std::size_t i = 0; i < order.size(); ++i) {
      groups.insert(groups.end(), group.begin(), group.end());
      groups.insert(groups.end(), point(i).begin(), point(i).end());
    }
    regroup(k + 1);
    function(groups, found, {});
    best = 0;
    for (std::size_t i = 1; i < found.size(); ++i) {
      if (found[i] > found[best] || std::isnan(found[best])) best = i;
    }
    group.insert(group.end(), point(best).begin(), point(best).end());
  }
  x.insert(x.end(), group.begin(), group.end());
  value.push_back(found[best]);
}

AcquisitionMaximum search_maximum(const GroupFunction& function, const SearchBox& box, std::size_t q,
                                  const RawCandidates& raw, const AcquisitionOptions& options,
                                  std::uint64_t stream) {
  const std::size_t dims = q * box.columns();
  Random random(options.seed, stream, Purpose::boltzmann);
  std::vector<double> starts;
  for (const std::size_t i : choose_starts(raw.value, options.starts, random)) {
    const auto start = raw.x.subspan(i * dims, dims);
    starts.insert(starts.end(), start.begin(), start.end());
  }
  ValuedGroup best;
  best.value = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < raw.value.size(); ++i) {
    if (!(raw.value[i] > best.value) && !best.x.empty()) continue;
    const auto group = raw.x.subspan(i * dims, dims);
    best.x.assign(group.begin(), group.end());
    if (!std::isnan(raw.value[i])) best.value = raw.value[i];
  }
  const auto refined = [&](std::span<const double> groups, double min_decrease) {
    std::vector<ValuedGroup> ends;
    for (const LbfgsbResult& result : refine(function, box, dims, groups, options.iterations, min_decrease)) {
      if (!std::isfinite(result.value)) continue;
      std::vector<double> x(dims);
      box.from_unit(result.x, x);
      ends.push_back({std::move(x), -result.value});
    }
    return ends;
  };
  const auto take_better = [&](const std::vector<ValuedGroup>& ends) {
    for (const ValuedGroup& end : ends) {
      if (end.value > best.value) best = end;
    }
  };
  std::vector<ValuedGroup> ends = refined(starts, q == 1 ? kFine : kCoarse);
  take_better(ends);
  if (q > 1 && std::isfinite(best.value)) {
    // Points that some end has found a place for, the best ends' first.
    std::stable_sort(ends.begin(), ends.end(), [](const ValuedGroup& one, const ValuedGroup& other) {
      return one.value > other.value;
    });
    std::vector<double> points;
    for (const ValuedGroup& end : ends) points.insert(points.end(), end.x.begin(), end.x.end());
    std::vector<double> unit(points.size());
    box.to_unit(points, unit);
    unit = distinct_points(unit, box.columns(), std::max<std::size_t>(1, options.raw / 2));
    std::vector<double> pool(unit.size());
    box.from_unit(unit, pool);
    best = exchange_points(
        function, [&](std::span<const double> groups) { return refined(groups, kCoarse); }, q, pool,
        {.evaluations = options.raw, .starts = std::max<std::size_t>(1, options.starts / 2)}, best);
    take_better(refined(best.x, kFine));
  }
  return {std::move(best.x), best.value};
}

}  // namespace krigon
