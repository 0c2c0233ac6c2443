#include "app/acquisition/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/random.hpp"
#include "optim/lbfgsb.hpp"
#include "propose/candidates.hpp"

namespace krigon {

namespace {

/// From starts (groups of q points, x), over unit coordinates; choices stay as they are.
std::vector<LbfgsbResult> refine(const GroupFunction& function, const SearchBox& box, std::size_t dims,
                                 std::span<const double> starts, int iterations) {
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
  lbfgsb.min_decrease = 1e-9;
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
  AcquisitionMaximum best;
  best.value = -std::numeric_limits<double>::infinity();
  const auto consider = [&](std::span<const double> x, double found) {
    if (found > best.value || best.x.empty()) {
      best.x.assign(x.begin(), x.end());
      best.value = std::isnan(found) ? -std::numeric_limits<double>::infinity() : found;
    }
  };
  for (std::size_t i = 0; i < raw.value.size(); ++i) consider(raw.x.subspan(i * dims, dims), raw.value[i]);
  std::vector<double> x(dims);
  for (const LbfgsbResult& result : refine(function, box, dims, starts, options.iterations)) {
    if (!std::isfinite(result.value)) continue;
    box.from_unit(result.x, x);
    consider(x, -result.value);
  }
  return best;
}

}  // namespace krigon
