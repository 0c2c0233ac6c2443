#include "propose/candidates.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "optim/sobol.hpp"

namespace krigon {
namespace {

/// Ordered coordinates up to this many levels are searched level by level.
constexpr std::int64_t kFewLevels = 12;

// Draws what `changed` makes active that was not active before.
void fill_activated(const Encoding& encoding, const std::vector<bool>& before, Point& changed,
                    Random& random) {
  // A new branch may open further ones: as often as there are coordinates at most.
  std::vector<bool> known = before;
  for (bool more = true; more;) {
    more = false;
    const auto now = encoding.active(changed);
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (!now[i] || known[i]) continue;
      changed[i] = random.uniform();
      known[i] = true;
      more = true;
    }
  }
}

std::int64_t other_level(std::int64_t level, std::int64_t levels, Random& random) {
  const auto drawn = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(levels - 1)));
  return drawn < level ? drawn : drawn + 1;
}

void move(const Encoding& encoding, std::size_t i, double size, Point& point, Random& random) {
  const Coordinate& c = encoding.coordinates()[i];
  if (c.axis == Axis::categorical) {
    point[i] = encoding.place(i, other_level(encoding.level(i, point[i]), c.levels, random));
    return;
  }
  const double moved = point[i] + size * random.normal();
  if (c.axis == Axis::continuous) {
    point[i] = std::clamp(moved, 0.0, 1.0);
    return;
  }
  const std::int64_t from = encoding.level(i, point[i]);
  std::int64_t to = encoding.level(i, moved);
  if (to == from) to += moved < point[i] ? -1 : 1;
  if (to < 0 || to >= c.levels) to = 2 * from - to;
  point[i] = encoding.place(i, std::clamp<std::int64_t>(to, 0, c.levels - 1));
}

}  // namespace

std::vector<Point> sobol_candidates(const Encoding& encoding, std::size_t count, std::uint64_t seed) {
  const ScrambledSobol sobol(encoding.dims(), seed);
  std::vector<Point> points;
  points.reserve(count);
  Point point(encoding.dims());
  for (std::uint32_t i = 0; points.size() < count && i < 10 * count; ++i) {
    sobol.point(i, point);
    encoding.canonicalise(point);
    if (encoding.feasible(point)) points.push_back(point);
  }
  return points;
}

std::vector<Point> perturbed_candidates(const Encoding& encoding, std::span<const Point> incumbents,
                                        std::size_t each, Random& random) {
  constexpr std::array kSizes{0.2, 0.05, 0.01, 0.002};
  std::vector<Point> points;
  for (const Point& incumbent : incumbents) {
    const auto active = encoding.active(incumbent);
    std::vector<std::size_t> movable;
    for (std::size_t i = 0; i < active.size(); ++i) {
      if (active[i]) movable.push_back(i);
    }
    if (movable.empty()) continue;
    for (std::size_t k = 0; k < each; ++k) {
      Point point = incumbent;
      // Half of the variations move about two coordinates, half most of them.
      const double wanted = k % 2 == 0 ? 2.0 : 20.0;
      const double probability = std::min(0.8, wanted / static_cast<double>(movable.size()));
      const double size = kSizes[(k / 2) % kSizes.size()];
      const std::size_t always = movable[random.below(movable.size())];
      for (const std::size_t i : movable) {
        if (i == always || random.uniform() < probability) move(encoding, i, size, point, random);
      }
      fill_activated(encoding, active, point, random);
      encoding.canonicalise(point);
      if (point != incumbent && encoding.feasible(point)) points.push_back(std::move(point));
    }
  }
  return points;
}

std::vector<Point> neighbours(const Encoding& encoding, const Point& point, Random& random) {
  std::vector<Point> result;
  const auto active = encoding.active(point);
  const auto add = [&](std::size_t i, std::int64_t level) {
    Point changed = point;
    changed[i] = encoding.place(i, level);
    fill_activated(encoding, active, changed, random);
    encoding.canonicalise(changed);
    if (changed != point && encoding.feasible(changed)) result.push_back(std::move(changed));
  };
  for (std::size_t i = 0; i < encoding.dims(); ++i) {
    const Coordinate& c = encoding.coordinates()[i];
    if (!active[i] || c.axis == Axis::continuous) continue;
    const std::int64_t at = encoding.level(i, point[i]);
    if (c.axis == Axis::categorical || c.levels <= kFewLevels) {
      for (std::int64_t k = 0; k < c.levels; ++k) {
        if (k != at) add(i, k);
      }
      continue;
    }
    for (std::int64_t far = 1; far < c.levels; far *= 2) {
      if (at - far >= 0) add(i, at - far);
      if (at + far < c.levels) add(i, at + far);
    }
  }
  return result;
}

std::vector<std::size_t> choose_starts(std::span<const double> value, std::size_t count, Random& random) {
  std::vector<std::size_t> finite;
  double sum = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!std::isfinite(value[i])) continue;
    finite.push_back(i);
    sum += value[i];
  }
  if (finite.empty()) return finite;
  const double mean = sum / static_cast<double>(finite.size());
  double squares = 0;
  for (const std::size_t i : finite) squares += (value[i] - mean) * (value[i] - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(finite.size()));
  const double scale = deviation > 0 ? 1 / deviation : 0;

  // The largest of z + Gumbel noise are a draw without replacement.
  std::vector<std::pair<double, std::size_t>> keys;
  keys.reserve(finite.size());
  for (const std::size_t i : finite) {
    const double gumbel = -std::log(-std::log((static_cast<double>(random() >> 12) + 0.5) * 0x1p-52));
    keys.emplace_back((value[i] - mean) * scale + gumbel, i);
  }
  const auto best = static_cast<std::size_t>(
      std::max_element(finite.begin(), finite.end(),
                       [&](std::size_t a, std::size_t b) { return value[a] < value[b]; }) -
      finite.begin());
  keys[best].first = HUGE_VAL;
  const std::size_t taken = std::min(count, keys.size());
  std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(taken), keys.end(),
                    [](const auto& a, const auto& b) {
                      return a.first != b.first ? a.first > b.first : a.second < b.second;
                    });
  std::vector<std::size_t> starts;
  for (std::size_t k = 0; k < taken; ++k) starts.push_back(keys[k].second);
  return starts;
}

}  // namespace krigon
