#include "propose/acquisition/boxes.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "krigon/error.hpp"

namespace krigon {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A coordinate with the number of its point, so that no two coordinates are equal: ties are broken as if
// later points were larger by less than any difference. The boxes of such a set are those of the true
// one, and some without volume.
using Coordinate = std::pair<double, std::size_t>;

constexpr std::size_t kBefore = 0;                                       // of -infinity; points count from 1
constexpr std::size_t kAfter = std::numeric_limits<std::size_t>::max();  // of the reference

// A local upper bound: the largest corner of a box that holds no point, with the points that define it.
// Lacour, Klamroth, Fonseca 2017, "A box decomposition algorithm to compute the hypervolume indicator".
struct LocalBound {
  std::vector<Coordinate> corner;                 // M
  std::vector<std::vector<Coordinate>> defining;  // M points; defining[j][j] == corner[j]
};

// Inserts mutually non-dominated points one after another (Lacour et al.).
std::vector<LocalBound> local_bounds(const std::vector<std::vector<double>>& points,
                                     std::span<const double> reference) {
  const std::size_t objectives = reference.size();
  LocalBound whole;
  for (std::size_t j = 0; j < objectives; ++j) {
    std::vector<Coordinate> at(objectives, {-kInfinity, kBefore});
    at[j] = {reference[j], kAfter};
    whole.corner.push_back(at[j]);
    whole.defining.push_back(std::move(at));
  }
  std::vector<LocalBound> bounds{std::move(whole)};
  for (std::size_t p = 0; p < points.size(); ++p) {
    std::vector<Coordinate> point;
    for (const double y : points[p]) point.emplace_back(y, p + 1);
    std::vector<LocalBound> kept, made;
    for (LocalBound& bound : bounds) {
      const bool inside = std::equal(point.begin(), point.end(), bound.corner.begin(),
                                     [](const Coordinate& z, const Coordinate& u) { return z < u; });
      if (!inside) {
        kept.push_back(std::move(bound));
        continue;
      }
      for (std::size_t j = 0; j < objectives; ++j) {
        bool needed = true;  // the bound with corner[j] moved to the point is not within another one
        for (std::size_t k = 0; k < objectives; ++k) {
          needed = needed && (k == j || bound.defining[k][j] < point[j]);
        }
        if (!needed) continue;
        made.push_back(bound);
        made.back().corner[j] = point[j];
        made.back().defining[j] = point;
      }
    }
    bounds = std::move(kept);
    bounds.insert(bounds.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }
  return bounds;
}

// The disjoint boxes between the points and the reference, one per bound (Lacour et al.).
Boxes boxes_of(const std::vector<LocalBound>& bounds, std::span<const double> reference) {
  const std::size_t objectives = reference.size();
  Boxes boxes;
  boxes.objectives = objectives;
  for (const LocalBound& bound : bounds) {
    std::vector<double> lower, upper;
    for (std::size_t j = 0; j < objectives; ++j) {
      double low = bound.defining[0][j].first;
      for (std::size_t k = 1; k < j; ++k) low = std::max(low, bound.defining[k][j].first);
      lower.push_back(low);
      upper.push_back(j == 0 ? reference[0] : bound.corner[j].first);
    }
    const bool volume =
        std::equal(lower.begin(), lower.end(), upper.begin(), [](double l, double u) { return l < u; });
    if (!volume) continue;
    boxes.lower.insert(boxes.lower.end(), lower.begin(), lower.end());
    boxes.upper.insert(boxes.upper.end(), upper.begin(), upper.end());
  }
  return boxes;
}

bool dominates(const double* a, const double* b, std::size_t objectives) {
  bool better = false;
  for (std::size_t m = 0; m < objectives; ++m) {
    if (a[m] > b[m]) return false;
    better = better || a[m] < b[m];
  }
  return better;
}

void check(std::span<const double> points, std::size_t objectives) {
  if (objectives == 0 || points.size() % objectives != 0) {
    throw UsageError("points of " + std::to_string(objectives) + " objectives: there are " +
                     std::to_string(points.size()) + " values, which is not a whole number of points");
  }
  for (const double y : points) {
    if (y != y) throw UsageError("points in objective space: a value is not a number");
  }
}

std::vector<std::vector<double>> rows_below(std::span<const double> points,
                                            std::span<const double> reference) {
  const std::size_t objectives = reference.size();
  check(points, objectives);
  check(reference, objectives);
  std::vector<std::vector<double>> rows;
  for (const std::size_t i : non_dominated(points, objectives)) {
    const auto row = points.subspan(i * objectives, objectives);
    const bool below =
        std::equal(row.begin(), row.end(), reference.begin(), [](double y, double r) { return y < r; });
    if (below) rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

}  // namespace

BoxSet Boxes::view() const {
  return {static_cast<std::int32_t>(objectives), static_cast<std::int32_t>(count()), lower.data(),
          upper.data()};
}

std::vector<std::size_t> non_dominated(std::span<const double> points, std::size_t objectives) {
  check(points, objectives);
  const std::size_t n = points.size() / objectives;
  std::vector<std::size_t> front;
  for (std::size_t i = 0; i < n; ++i) {
    const double* y = points.data() + i * objectives;
    bool kept = true;
    for (std::size_t k = 0; k < n && kept; ++k) {
      const double* other = points.data() + k * objectives;
      kept = !dominates(other, y, objectives) && !(k < i && std::equal(y, y + objectives, other));
    }
    if (kept) front.push_back(i);
  }
  return front;
}

std::vector<std::size_t> non_dominated_fronts(std::span<const double> points, std::size_t objectives) {
  check(points, objectives);
  const std::size_t n = points.size() / objectives;
  std::vector<std::size_t> dominators(n, 0), front(n, 0), current;
  std::vector<std::vector<std::size_t>> dominated(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      if (!dominates(points.data() + i * objectives, points.data() + k * objectives, objectives)) continue;
      dominated[i].push_back(k);
      ++dominators[k];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (dominators[i] == 0) current.push_back(i);
  }
  for (std::size_t rank = 0; !current.empty(); ++rank) {
    std::vector<std::size_t> next;
    for (const std::size_t i : current) {
      front[i] = rank;
      for (const std::size_t k : dominated[i]) {
        if (--dominators[k] == 0) next.push_back(k);
      }
    }
    current = std::move(next);
  }
  return front;
}

Boxes dominated_boxes(std::span<const double> points, std::span<const double> reference) {
  return boxes_of(local_bounds(rows_below(points, reference), reference), reference);
}

Boxes improvement_boxes(std::span<const double> points, std::span<const double> reference) {
  // What is not dominated is the union of (-infinity, u] over the local upper bounds u: seen from the
  // other side, the part that the points -u dominate (Yang, Emmerich, Deutz, Baeck 2019).
  const std::size_t objectives = reference.size();
  const auto bounds = local_bounds(rows_below(points, reference), reference);
  std::vector<double> corners;
  for (const LocalBound& bound : bounds) {
    for (const Coordinate& u : bound.corner) corners.push_back(-u.first);
  }
  const std::vector<double> infinity(objectives, kInfinity);
  Boxes flipped = dominated_boxes(corners, infinity);
  Boxes boxes;
  boxes.objectives = objectives;
  for (const double u : flipped.upper) boxes.lower.push_back(-u);
  for (const double l : flipped.lower) boxes.upper.push_back(-l);
  return boxes;
}

double hypervolume(std::span<const double> points, std::span<const double> reference) {
  const Boxes boxes = dominated_boxes(points, reference);
  double volume = 0;
  for (std::size_t b = 0; b < boxes.count(); ++b) {
    double part = 1;
    for (std::size_t m = 0; m < boxes.objectives; ++m) {
      part *= boxes.upper[b * boxes.objectives + m] - boxes.lower[b * boxes.objectives + m];
    }
    volume += part;
  }
  return volume;
}

}  // namespace krigon
