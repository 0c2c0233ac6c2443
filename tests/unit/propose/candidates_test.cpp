#include "propose/candidates.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/random_space.hpp"
#include "tests/support/told.hpp"

namespace krigon {
namespace {

using ::testing::UnorderedElementsAre;

Space tree() {
  return Space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}, Value{"c"}}, false}},
                {"n", IntegerDomain{1, 3, Scale::linear, 1}, {{"kind", {Value{"a"}}}}},
                {"wide", IntegerDomain{1, 100, Scale::linear, 1}},
                {"x", RealDomain{0, 1, Scale::linear, {}}}});
}

TEST(Neighbours, AreEveryOtherLevelOfOneCoordinate) {
  const Encoding encoding(tree());
  Random random(1, 0, Purpose::local_search);
  const auto point =
      *encoding.encode({{"kind", "a"}, {"n", std::int64_t{2}}, {"wide", std::int64_t{2}}, {"x", 0.5}});
  std::map<std::string, std::vector<std::string>> changed;
  for (const auto& neighbour : neighbours(encoding, point, random)) {
    const auto parameters = encoding.decode(neighbour);
    EXPECT_NO_THROW(encoding.space().validate(parameters));
    EXPECT_EQ(parameters.at("x"), Value{0.5});
    const std::string kind = to_string(parameters.at("kind"));
    if (kind != "a") {
      changed["kind"].push_back(kind);
    } else if (parameters.at("n") != Value{std::int64_t{2}}) {
      changed["n"].push_back(to_string(parameters.at("n")));
    } else {
      changed["wide"].push_back(to_string(parameters.at("wide")));
    }
  }
  EXPECT_THAT(changed["kind"], UnorderedElementsAre("b", "c"));
  EXPECT_THAT(changed["n"], UnorderedElementsAre("1", "3"));
  EXPECT_THAT(changed["wide"], UnorderedElementsAre("1", "3", "4", "6", "10", "18", "34", "66"));
}

TEST(Neighbours, DrawWhatANewBranchNeeds) {
  const Encoding encoding(tree());
  Random random(1, 0, Purpose::local_search);
  const auto point = *encoding.encode({{"kind", "b"}, {"wide", std::int64_t{2}}, {"x", 0.5}});
  std::set<std::string> drawn;
  for (int i = 0; i < 30; ++i) {
    for (const auto& neighbour : neighbours(encoding, point, random)) {
      const auto parameters = encoding.decode(neighbour);
      if (parameters.contains("n")) drawn.insert(to_string(parameters.at("n")));
    }
  }
  EXPECT_THAT(drawn, UnorderedElementsAre("1", "2", "3"));
}

TEST(Candidates, AreCanonicalAndFeasible) {
  const Space space(
      {{"a", RealDomain{0, 1, Scale::linear, {}}}, {"b", IntegerDomain{1, 20, Scale::linear, 1}}},
      {"a * b <= 3"});
  const Encoding encoding(space);
  Random random(1, 0, Purpose::candidates);
  auto points = sobol_candidates(encoding, 200, 5);
  EXPECT_EQ(points.size(), 200u);
  const auto incumbent = *encoding.encode({{"a", 0.2}, {"b", std::int64_t{12}}});
  const auto perturbed = perturbed_candidates(encoding, std::vector<Point>{incumbent}, 100, random);
  EXPECT_GT(perturbed.size(), 30u);
  points.insert(points.end(), perturbed.begin(), perturbed.end());
  for (const auto& point : points) {
    auto canonical = point;
    encoding.canonicalise(canonical);
    EXPECT_EQ(point, canonical);
    EXPECT_NO_THROW(space.validate(encoding.decode(point)));
  }
}

TEST(Candidates, OfAnySpaceAreValid) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    const Encoding encoding(testing::random_space(seed));
    Random random(seed, 0, Purpose::candidates);
    const auto start = sobol_candidates(encoding, 3, seed);
    for (const auto& point : perturbed_candidates(encoding, start, 16, random)) {
      EXPECT_NO_THROW(encoding.space().validate(encoding.decode(point)));
    }
    for (const auto& point : neighbours(encoding, start.front(), random)) {
      EXPECT_NO_THROW(encoding.space().validate(encoding.decode(point)));
    }
  }
}

TEST(ChooseStarts, TakesTheBestAndFavoursTheGood) {
  std::vector<double> value(100);
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<double>(i);
  value[7] = std::numeric_limits<double>::quiet_NaN();
  value[8] = -std::numeric_limits<double>::infinity();
  double sum = 0;
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    Random random(3, trial, Purpose::boltzmann);
    const auto starts = choose_starts(value, 10, random);
    ASSERT_EQ(starts.size(), 10u);
    EXPECT_EQ(starts.front(), 99u);
    EXPECT_EQ(std::set<std::size_t>(starts.begin(), starts.end()).size(), 10u);
    for (const std::size_t i : starts) {
      EXPECT_NE(i, 7u);
      EXPECT_NE(i, 8u);
      sum += static_cast<double>(i);
    }
  }
  EXPECT_GT(sum / 500, 60);
}

TEST(ChooseStarts, EdgesAreNoTrouble) {
  Random random(3, 0, Purpose::boltzmann);
  EXPECT_TRUE(choose_starts({}, 5, random).empty());
  EXPECT_TRUE(choose_starts(std::vector{std::nan("")}, 5, random).empty());
  EXPECT_EQ(choose_starts(std::vector{1.0, 1.0, 1.0}, 5, random).size(), 3u);
}

TEST(Crowd, IsATenthOfALengthscaleAround) {
  const Encoding encoding(Space({{"x", RealDomain{0, 1, Scale::linear, {}}},
                                 {"y", RealDomain{0, 1, Scale::linear, {}}},
                                 {"kind", CategoricalDomain{{Value{"a"}, Value{"b"}}, false}}}));
  const Crowd crowd(encoding, std::vector{std::log(0.2), std::log(9.0), 0.0}, {{0.5, 0.5, 0.25}});
  EXPECT_TRUE(crowd.contains({0.5, 0.5, 0.25}));
  EXPECT_TRUE(crowd.contains({0.519, 0.5, 0.25}));
  EXPECT_FALSE(crowd.contains({0.521, 0.5, 0.25}));
  EXPECT_TRUE(crowd.contains({0.5, 0.549, 0.25}));
  EXPECT_FALSE(crowd.contains({0.5, 0.551, 0.25}));
  EXPECT_FALSE(crowd.contains({0.5, 0.5, 0.75}));
}

TEST(ListPoints, HoldsEachPointOfATreeOnce) {
  const Encoding encoding(Space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}}, false}},
                                 {"n", IntegerDomain{1, 3, Scale::linear, 1}, {{"kind", {Value{"a"}}}}}}));
  const auto points = list_points(encoding, 10);
  ASSERT_TRUE(points);
  EXPECT_EQ(points->size(), 4u);
  EXPECT_EQ(std::set<Point>(points->begin(), points->end()).size(), 4u);
  EXPECT_FALSE(list_points(encoding, 3));
}

}  // namespace
}  // namespace krigon
