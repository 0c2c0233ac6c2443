#include "propose/places.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

constexpr std::uint32_t kDraws = 10'000;

// Depth first over the coordinates, parents before children, so that what is inactive is never
// branched on.
class Lister {
 public:
  Lister(const Encoding& encoding, std::size_t most, std::int64_t real_levels)
      : encoding_(encoding),
        most_(most),
        real_levels_(real_levels),
        point_(encoding.dims(), Encoding::kImputed) {
    for (const std::size_t parameter : encoding.space().order()) {
      for (std::size_t c = 0; c < encoding.dims(); ++c) {
        if (encoding.coordinates()[c].parameter == parameter) order_.push_back(c);
      }
    }
  }

  bool list() { return descend(0); }
  std::vector<Point> take() { return std::move(points_); }

 private:
  bool descend(std::size_t depth) {
    if (depth == order_.size()) {
      if (++visited_ > most_) return false;
      Point point = point_;
      encoding_.canonicalise(point);
      if (encoding_.feasible(point)) points_.push_back(std::move(point));
      return true;
    }
    const std::size_t c = order_[depth];
    if (!encoding_.active(point_)[c]) return descend(depth + 1);
    const bool real = encoding_.coordinates()[c].axis == Axis::continuous;
    const std::int64_t levels = real ? real_levels_ : encoding_.coordinates()[c].levels;
    bool fits = true;
    for (std::int64_t k = 0; k < levels && fits; ++k) {
      if (!real) {
        point_[c] = encoding_.place(c, k);
      } else {
        point_[c] = levels == 1 ? 0.5 : static_cast<double>(k) / static_cast<double>(levels - 1);
      }
      fits = descend(depth + 1);
    }
    point_[c] = Encoding::kImputed;
    return fits;
  }

  const Encoding& encoding_;
  std::size_t most_;
  std::int64_t real_levels_;
  std::vector<std::size_t> order_;
  Point point_;
  std::vector<Point> points_;
  std::size_t visited_ = 0;
};

}  // namespace

Taken::Taken(const Encoding& encoding, const History& history) {
  const auto take = [&](const TrialRecord& trial) {
    if (trial.state == TrialState::cancelled) return;
    ++trials_;
    if (auto point = encoding.encode(trial.parameters)) points_.insert(std::move(*point));
  };
  for (const auto& [number, trial] : history.older()) take(trial);
  for (const auto& trial : history.trials()) take(trial);
}

Crowd::Crowd(const Encoding& encoding, std::span<const double> log_lengthscale, std::vector<Point> pending)
    : pending_(std::move(pending)) {
  constexpr double kApart = 0.1, kLongest = 0.5;
  for (std::size_t i = 0; i < encoding.dims(); ++i) {
    const bool categorical = encoding.coordinates()[i].axis == Axis::categorical;
    scale_.push_back(categorical ? 0 : kApart * std::min(std::exp(log_lengthscale[i]), kLongest));
  }
}

bool Crowd::contains(const Point& point) const {
  return std::any_of(pending_.begin(), pending_.end(), [&](const Point& other) {
    double squares = 0;
    for (std::size_t i = 0; i < point.size() && squares < 1; ++i) {
      if (point[i] == other[i]) continue;
      if (scale_[i] == 0) return false;
      squares += std::pow((point[i] - other[i]) / scale_[i], 2);
    }
    return squares < 1;
  });
}

std::optional<std::vector<Point>> list_points(const Encoding& encoding, std::size_t most,
                                              std::int64_t real_levels) {
  const auto coordinates = encoding.coordinates();
  const bool endless = std::any_of(coordinates.begin(), coordinates.end(),
                                   [](const Coordinate& c) { return c.axis == Axis::continuous; });
  if (endless && real_levels < 1) return std::nullopt;
  Lister lister(encoding, most, real_levels);
  if (!lister.list()) return std::nullopt;
  return lister.take();
}

FreePoint first_free(const Encoding& encoding, const Taken& taken,
                     const std::function<void(std::uint32_t, std::span<double>)>& draw,
                     const std::vector<Point>* listed, Random& random) {
  std::optional<Point> feasible;
  Point point(encoding.dims());
  const auto limit = static_cast<std::uint32_t>(taken.trials()) + kDraws;
  for (std::uint32_t i = 0; i < limit; ++i) {
    draw(i, point);
    encoding.canonicalise(point);
    if (!encoding.feasible(point)) continue;
    if (!taken.contains(point)) return {point, false};
    if (!feasible) feasible = point;
  }
  if (listed != nullptr && !listed->empty()) {
    const std::size_t from = random.below(listed->size());
    for (std::size_t i = 0; i < listed->size(); ++i) {
      const Point& candidate = (*listed)[(from + i) % listed->size()];
      if (!taken.contains(candidate)) return {candidate, false};
    }
    return {feasible.value_or((*listed)[from]), true};
  }
  if (!feasible) throw_infeasible(encoding.space());
  return {std::move(*feasible), true};
}

void throw_infeasible(const Space& space) {
  throw SpaceError(fmt::format("no feasible point was found in {} draws; the constraints are \"{}\"", kDraws,
                               fmt::join(space.constraints(), "\", \"")));
}

}  // namespace krigon
