#include "app/acquisition/exchange.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace krigon {

namespace {

/// In every unit coordinate: nearer to each other than that, two points are one for a choice among many.
constexpr double kDouble = 1e-3;
constexpr int kRounds = 8;
/// A gain that is worth another round.
constexpr double kWorthwhile = 1e-4;

/// Groups that differ from one in one point, with their values.
class Exchanges {
 public:
  Exchanges(const GroupFunction& function, std::span<const double> group, std::size_t q)
      : function_(function), group_(group), d_(group.size() / q) {}

  void add(std::size_t i, std::span<const double> point) {
    const auto at = static_cast<std::ptrdiff_t>(groups_.size() + i * d_);
    groups_.insert(groups_.end(), group_.begin(), group_.end());
    std::copy(point.begin(), point.end(), groups_.begin() + at);
  }
  /// Those that have no finite value are worth least.
  void evaluate() {
    value_.assign(groups_.size() / group_.size(), 0.0);
    function_(groups_, value_, {});
    for (double& value : value_) {
      if (!std::isfinite(value)) value = -std::numeric_limits<double>::infinity();
    }
  }
  std::span<const double> values() const { return value_; }
  std::span<const double> group(std::size_t k) const {
    return std::span(groups_).subspan(k * group_.size(), group_.size());
  }
  /// The best first, equals in order.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> order(value_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return value_[a] > value_[b]; });
    return order;
  }

 private:
  const GroupFunction& function_;
  std::span<const double> group_;
  std::size_t d_;
  std::vector<double> groups_, value_;
};

/// For each point that is given up the best exchange, of these the best ones: groups, row-major.
std::vector<double> best_exchanges(const GroupFunction& function, std::span<const double> group,
                                   std::size_t q, std::span<const double> pool,
                                   const ExchangeOptions& options) {
  const std::size_t d = group.size() / q;
  // What is best in the place of the point that is missed least may be best in another's too.
  Exchanges without(function, group, q);
  for (std::size_t i = 0; i < q; ++i) without.add(i, group.subspan((i == 0 ? 1 : 0) * d, d));
  without.evaluate();
  const std::size_t least = without.order().front();
  Exchanges candidates(function, group, q);
  for (std::size_t at = 0; at < pool.size(); at += d) candidates.add(least, pool.subspan(at, d));
  candidates.evaluate();
  std::vector<std::size_t> chosen = candidates.order();
  chosen.resize(std::clamp<std::size_t>(options.evaluations / q, 1, chosen.size()));

  Exchanges all(function, group, q);
  for (std::size_t i = 0; i < q; ++i) {
    for (const std::size_t k : chosen) all.add(i, pool.subspan(k * d, d));
  }
  all.evaluate();
  std::vector<double> best;
  std::vector<bool> seen(q);
  for (const std::size_t k : all.order()) {
    const std::size_t i = k / chosen.size();
    if (seen[i] || !std::isfinite(all.values()[k]) || best.size() == options.starts * group.size()) continue;
    seen[i] = true;
    const auto found = all.group(k);
    best.insert(best.end(), found.begin(), found.end());
  }
  return best;
}

}  // namespace

ValuedGroup exchange_points(const GroupFunction& function, const RefineGroups& refine, std::size_t q,
                            std::span<const double> pool, const ExchangeOptions& options, ValuedGroup group) {
  if (q < 2 || pool.empty()) return group;
  for (int round = 0; round < kRounds; ++round) {
    const double before = group.value;
    for (ValuedGroup& end : refine(best_exchanges(function, group.x, q, pool, options))) {
      if (end.value > group.value) group = std::move(end);
    }
    if (!(group.value > before + kWorthwhile)) break;
  }
  return group;
}

std::vector<double> distinct_points(std::span<const double> points, std::size_t d, std::size_t most) {
  std::vector<double> kept;
  for (std::size_t at = 0; at < points.size() && kept.size() < most * d; at += d) {
    bool doubled = false;
    for (std::size_t k = 0; k < kept.size() && !doubled; k += d) {
      doubled = true;
      for (std::size_t c = 0; c < d && doubled; ++c)
        doubled = std::abs(kept[k + c] - points[at + c]) <= kDouble;
    }
    if (doubled) continue;
    const auto point = points.subspan(at, d);
    kept.insert(kept.end(), point.begin(), point.end());
  }
  return kept;
}

}  // namespace krigon
