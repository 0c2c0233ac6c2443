#include "app/acquisition/exchange.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace krigon {
namespace {

constexpr std::size_t kQ = 4;
const std::vector<double> kPlaces = {0.1, 0.4, 0.6, 0.9};

/// One column: what a group covers of four places, the first worth most.
void coverage(std::span<const double> x, std::span<double> value, std::span<double>) {
  for (std::size_t g = 0; g < value.size(); ++g) {
    value[g] = 0;
    for (std::size_t k = 0; k < kPlaces.size(); ++k) {
      double covered = 0;
      for (const double point : x.subspan(g * kQ, kQ)) {
        covered = std::max(covered, std::exp(-std::pow((point - kPlaces[k]) / 0.05, 2)));
      }
      value[g] += (4.0 - static_cast<double>(k)) * covered;
    }
  }
}

std::vector<ValuedGroup> as_they_are(std::span<const double> groups) {
  std::vector<double> value(groups.size() / kQ);
  coverage(groups, value, {});
  std::vector<ValuedGroup> ends;
  for (std::size_t g = 0; g < value.size(); ++g) {
    const auto group = groups.subspan(g * kQ, kQ);
    ends.push_back({{group.begin(), group.end()}, value[g]});
  }
  return ends;
}

ValuedGroup crowded() {
  return as_they_are(std::vector<double>{0.1, 0.1, 0.1, 0.6}).front();
}

TEST(Exchange, PointsThatShareAPlaceGoToOthers) {
  std::vector<double> pool = {0.3, 0.5, 0.7, 0.1};
  pool.insert(pool.end(), {0.4, 0.9});
  const ValuedGroup found = exchange_points(coverage, as_they_are, kQ, pool, {}, crowded());
  std::vector<double> sorted = found.x;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, kPlaces);
  EXPECT_NEAR(found.value, 10, 1e-6);
  // Few evaluations a round: one candidate for each point given up, and still it gets there.
  const ValuedGroup thrifty =
      exchange_points(coverage, as_they_are, kQ, pool, {.evaluations = 1, .starts = 1}, crowded());
  EXPECT_NEAR(thrifty.value, 10, 1e-6);
}

TEST(Exchange, WhatIsRefinedIsWhatCounts) {
  // Every exchange moves to the best place near by, and one of them is lost on the way.
  const auto refine = [&](std::span<const double> groups) {
    std::vector<double> moved(groups.begin(), groups.end());
    for (double& x : moved) {
      x = *std::min_element(kPlaces.begin(), kPlaces.end(),
                            [&](double a, double b) { return std::abs(a - x) < std::abs(b - x); });
    }
    auto ends = as_they_are(moved);
    ends.erase(ends.begin());
    return ends;
  };
  const std::vector<double> pool = {0.32, 0.97};
  const ValuedGroup found = exchange_points(coverage, refine, kQ, pool, {}, crowded());
  EXPECT_NEAR(found.value, 10, 1e-6);
}

TEST(Exchange, NeverMakesWorse) {
  const std::vector<double> best = {0.1, 0.4, 0.6, 0.9}, pool = {0.2, 0.5, 0.8};
  const ValuedGroup start = as_they_are(best).front();
  EXPECT_EQ(exchange_points(coverage, as_they_are, kQ, pool, {}, start).x, best);
  EXPECT_EQ(exchange_points(coverage, as_they_are, kQ, {}, {}, start).x, best);
  const GroupFunction nowhere = [](std::span<const double>, std::span<double> value, std::span<double>) {
    std::fill(value.begin(), value.end(), std::numeric_limits<double>::quiet_NaN());
  };
  EXPECT_EQ(exchange_points(nowhere, as_they_are, kQ, pool, {}, start).x, best);
}

TEST(DistinctPoints, AreTheFirstOfEachPlace) {
  const std::vector<double> points = {0.1, 0.2, 0.1005, 0.2005, 0.1, 0.3, 0.7, 0.2, 0.1, 0.2};
  EXPECT_EQ(distinct_points(points, 2, 9), (std::vector<double>{0.1, 0.2, 0.1, 0.3, 0.7, 0.2}));
  EXPECT_EQ(distinct_points(points, 2, 2), (std::vector<double>{0.1, 0.2, 0.1, 0.3}));
  EXPECT_TRUE(distinct_points({}, 2, 2).empty());
}

}  // namespace
}  // namespace krigon
