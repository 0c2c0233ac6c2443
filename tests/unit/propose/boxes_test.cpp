#include "propose/acquisition/boxes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

bool dominated_by(const std::vector<double>& points, std::size_t objectives, const std::vector<double>& y) {
  for (std::size_t i = 0; i < points.size(); i += objectives) {
    bool all = true;
    for (std::size_t m = 0; m < objectives; ++m) all = all && points[i + m] <= y[m];
    if (all) return true;
  }
  return false;
}

// The volume by the grid of all coordinates: each cell is dominated or not.
double volume_by_grid(const std::vector<double>& points, const std::vector<double>& reference) {
  const std::size_t objectives = reference.size();
  std::vector<std::vector<double>> axes(objectives);
  for (std::size_t m = 0; m < objectives; ++m) {
    axes[m] = {reference[m]};
    for (std::size_t i = m; i < points.size(); i += objectives) {
      if (points[i] < reference[m]) axes[m].push_back(points[i]);
    }
    std::sort(axes[m].begin(), axes[m].end());
  }
  double volume = 0;
  std::vector<std::size_t> cell(objectives, 0);
  for (;;) {
    std::vector<double> low(objectives);
    double part = 1;
    for (std::size_t m = 0; m < objectives; ++m) {
      if (cell[m] + 1 >= axes[m].size()) return volume;  // an axis without a cell
      low[m] = axes[m][cell[m]];
      part *= axes[m][cell[m] + 1] - low[m];
    }
    if (part > 0 && dominated_by(points, objectives, low)) volume += part;
    std::size_t m = 0;
    while (m < objectives && ++cell[m] + 1 >= axes[m].size()) cell[m++] = 0;
    if (m == objectives) return volume;
  }
}

std::size_t boxes_with(const Boxes& boxes, const std::vector<double>& y) {
  std::size_t found = 0;
  for (std::size_t b = 0; b < boxes.count(); ++b) {
    bool in = true;
    for (std::size_t m = 0; m < y.size(); ++m) {
      in = in && boxes.lower[b * y.size() + m] < y[m] && y[m] < boxes.upper[b * y.size() + m];
    }
    found += in ? 1 : 0;
  }
  return found;
}

TEST(Boxes, CoverEveryPlaceOnceAndHaveTheRightVolume) {
  for (std::size_t objectives = 1; objectives <= 4; ++objectives) {
    for (std::uint64_t trial = 0; trial < 60; ++trial) {
      SCOPED_TRACE(testing::Message() << objectives << " objectives, set " << trial);
      Random random(objectives, trial, Purpose::candidates);
      const std::size_t n = random.below(9);
      const bool ties = trial % 2 == 0;  // few levels: equal coordinates and equal points
      std::vector<double> points(n * objectives), reference(objectives, 3.0);
      for (double& y : points) y = ties ? static_cast<double>(random.below(5)) : 4 * random.uniform();
      const Boxes dominated = dominated_boxes(points, reference);
      const Boxes better = improvement_boxes(points, reference);
      EXPECT_NEAR(hypervolume(points, reference), volume_by_grid(points, reference), 1e-10);
      for (int place = 0; place < 200; ++place) {
        std::vector<double> y(objectives);
        for (double& v : y) v = -1 + 4.5 * random.uniform();
        const bool below = std::all_of(y.begin(), y.end(), [](double v) { return v < 3.0; });
        const bool behind = dominated_by(points, objectives, y);
        EXPECT_EQ(boxes_with(dominated, y), below && behind ? 1u : 0u);
        EXPECT_EQ(boxes_with(better, y), below && !behind ? 1u : 0u);
      }
      for (std::size_t i = 0; i < better.lower.size(); ++i) {
        EXPECT_LT(better.lower[i], better.upper[i]);
        EXPECT_LE(better.upper[i], 3.0);
      }
    }
  }
}

TEST(Boxes, TwoObjectivesGiveAStaircase) {
  const std::vector<double> points{0, 2, 1, 1, 2, 0}, reference{3, 3};
  const Boxes boxes = improvement_boxes(points, reference);
  EXPECT_EQ(boxes.count(), 4u);
  EXPECT_DOUBLE_EQ(hypervolume(points, reference), 6);
}

TEST(Boxes, ThreeObjectivesNeedFewBoxes) {
  Random random(1, 1, Purpose::candidates);
  std::vector<double> points;
  for (int i = 0; i < 50; ++i) {  // on a sphere, all non-dominated
    std::array<double, 3> y{};
    double norm = 0;
    for (double& v : y) {
      v = 0.05 + random.uniform();
      norm += v * v;
    }
    for (const double v : y) points.push_back(-v / std::sqrt(norm));
  }
  const std::vector<double> reference(3, 0.0);
  EXPECT_EQ(non_dominated(points, 3).size(), 50u);
  EXPECT_LE(dominated_boxes(points, reference).count(), 101u);
  EXPECT_LE(improvement_boxes(points, reference).count(), 250u);
}

TEST(Boxes, PointsBeyondTheReferenceDoNotCount) {
  const std::vector<double> reference{1, 1};
  EXPECT_EQ(hypervolume(std::vector<double>{0, 1, 2, -5, 1, 1}, reference), 0);
  const Boxes all = improvement_boxes(std::vector<double>{}, reference);
  ASSERT_EQ(all.count(), 1u);
  EXPECT_EQ(all.lower, std::vector<double>(2, -INFINITY));
  EXPECT_EQ(all.upper, reference);
}

TEST(Boxes, RefuseWhatIsNoPoint) {
  const std::vector<double> reference{1, 1};
  EXPECT_THROW(hypervolume(std::vector<double>{1, 2, 3}, reference), UsageError);
  EXPECT_THROW(hypervolume(std::vector<double>{1, NAN}, reference), UsageError);
}

TEST(NonDominated, KeepsTheFirstOfEqualPoints) {
  const std::vector<double> points{1, 1, 0, 2, 1, 1, 2, 2, 0, 3};
  EXPECT_EQ(non_dominated(points, 2), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(non_dominated_fronts(points, 2), (std::vector<std::size_t>{0, 0, 0, 1, 1}));
  EXPECT_TRUE(non_dominated(std::vector<double>{}, 2).empty());
}

TEST(NonDominated, FrontsAgreeWithPeelingThemOff) {
  Random random(2, 1, Purpose::candidates);
  std::vector<double> points(3 * 60);
  for (double& y : points) y = static_cast<double>(random.below(6));
  const auto fronts = non_dominated_fronts(points, 3);
  std::vector<bool> gone(60, false);
  for (std::size_t rank = 0;; ++rank) {
    std::vector<std::size_t> peeled;
    for (std::size_t i = 0; i < 60; ++i) {
      if (gone[i]) continue;
      bool first = true;
      for (std::size_t k = 0; k < 60; ++k) {
        if (gone[k]) continue;
        bool better = false, worse = false;
        for (std::size_t m = 0; m < 3; ++m) {
          better = better || points[3 * k + m] < points[3 * i + m];
          worse = worse || points[3 * k + m] > points[3 * i + m];
        }
        first = first && !(better && !worse);
      }
      if (first) peeled.push_back(i);
    }
    if (peeled.empty()) break;
    for (const std::size_t i : peeled) {
      gone[i] = true;
      EXPECT_EQ(fronts[i], rank) << i;
    }
  }
}

}  // namespace
}  // namespace krigon
