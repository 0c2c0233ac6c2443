#include "propose/grid.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "krigon/error.hpp"
#include "propose/places.hpp"

namespace krigon {
namespace {

class GridSampler final : public Sampler {
 public:
  GridSampler(const Space& space, std::uint64_t seed) : encoding_(space) {
    auto points = list_points(encoding_, kMostListed, kGridLevels);
    if (!points) {
      throw UsageError(
          fmt::format("sampler \"grid\": the grid has more than {} points; give the parameters fewer values "
                      "(step, values), or use the sampler \"sobol\"",
                      kMostListed));
    }
    if (points->empty()) {
      throw SpaceError(fmt::format("sampler \"grid\": no point of the grid satisfies the constraints \"{}\"",
                                   fmt::join(space.constraints(), "\", \"")));
    }
    points_ = std::move(*points);
    Random random(seed, 0, Purpose::grid_order);
    for (std::size_t i = points_.size(); i > 1; --i) std::swap(points_[i - 1], points_[random.below(i)]);
  }

  std::string_view name() const override { return "grid"; }

  bool learns() const override { return false; }
  Suggestion propose(const History& history, std::int64_t) override {
    const Taken taken(encoding_, history);
    const auto free = std::find_if(points_.begin(), points_.end(),
                                   [&](const Point& point) { return !taken.contains(point); });
    Suggestion suggestion;
    suggestion.proposal.sampler = name();
    if (free == points_.end()) {
      suggestion.exhausted = true;
    } else {
      suggestion.parameters = encoding_.decode(*free);
    }
    return suggestion;
  }

  std::string describe(const Space&) const override {
    const auto coordinates = encoding_.coordinates();
    const auto reals = std::count_if(coordinates.begin(), coordinates.end(),
                                     [](const Coordinate& c) { return c.axis == Axis::continuous; });
    std::string text = fmt::format("grid: all {} points, each once, in a shuffled order", points_.size());
    if (reals > 0) text += fmt::format("; {} levels for each real parameter without a step", kGridLevels);
    return text + '.';
  }

 private:
  Encoding encoding_;
  std::vector<Point> points_;
};

}  // namespace

std::unique_ptr<Sampler> make_grid_sampler(const Space& space, std::uint64_t seed) {
  return std::make_unique<GridSampler>(space, seed);
}

}  // namespace krigon
