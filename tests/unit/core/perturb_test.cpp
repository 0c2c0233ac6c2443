#include "core/perturb.hpp"

#include <cmath>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/encoding.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "tests/support/random_space.hpp"

namespace krigon {
namespace {

/// All values that the parameter takes over many clones of `parent`.
std::set<std::string> explored(const Domain& domain, const Value& parent, double resample = 0) {
  const Space space({{"x", domain}});
  std::set<std::string> values;
  for (std::int64_t number = 0; number < 400; ++number) {
    values.insert(to_string(perturb(space, {{"x", parent}}, 1, number, resample).at("x")));
  }
  return values;
}

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST(Perturb, NumbersAreMultipliedByFourFifthsOrSixFifths) {
  EXPECT_THAT(explored(RealDomain{0, 10}, 5.0), UnorderedElementsAre("4", "6"));
  EXPECT_THAT(explored(RealDomain{1e-4, 1, Scale::log}, 0.5), UnorderedElementsAre("0.4", "0.6"));
  EXPECT_THAT(explored(RealDomain{-10, 10}, -5.0), UnorderedElementsAre("-4", "-6"));
  EXPECT_THAT(explored(IntegerDomain{1, 1000, Scale::log}, std::int64_t{50}),
              UnorderedElementsAre("40", "60"));
  EXPECT_THAT(explored(IntegerDomain{0, 100, Scale::linear, 5}, std::int64_t{50}),
              UnorderedElementsAre("40", "60"));
}

TEST(Perturb, TheyStayWithinTheirBounds) {
  EXPECT_THAT(explored(RealDomain{4.5, 5.5}, 5.0), UnorderedElementsAre("4.5", "5.5"));
  EXPECT_THAT(explored(IntegerDomain{48, 55}, std::int64_t{50}), UnorderedElementsAre("48", "55"));
  EXPECT_THAT(explored(RealDomain{1e-4, 1, Scale::log}, 1.0), UnorderedElementsAre("0.8", "1"));
}

TEST(Perturb, WhatRoundingWouldKeepGoesToANeighbour) {
  EXPECT_THAT(explored(IntegerDomain{1, 9}, std::int64_t{2}), UnorderedElementsAre("1", "3"));
  EXPECT_THAT(explored(IntegerDomain{-9, 9}, std::int64_t{-2}), UnorderedElementsAre("-1", "-3"));
  EXPECT_THAT(explored(IntegerDomain{-9, 9}, std::int64_t{0}), UnorderedElementsAre("-1", "1"));
  EXPECT_THAT(explored(IntegerDomain{0, 20, Scale::linear, 10}, std::int64_t{10}),
              UnorderedElementsAre("0", "20"));
  EXPECT_THAT(explored(RealDomain{0, 1, Scale::linear, 0.25}, 0.5), UnorderedElementsAre("0.25", "0.75"));
  EXPECT_THAT(explored(RealDomain{-1, 1}, 0.0), UnorderedElementsAre("-0.2", "0.2"))
      << "a tenth of the range";
}

TEST(Perturb, AnOrderedCategoryMovesToANeighbourAndAnotherStays) {
  const std::vector<Value> sizes{std::int64_t{16}, std::int64_t{32}, std::int64_t{64}, std::int64_t{128}};
  EXPECT_THAT(explored(CategoricalDomain{sizes, true}, std::int64_t{64}), UnorderedElementsAre("32", "128"));
  EXPECT_THAT(explored(CategoricalDomain{sizes, true}, std::int64_t{16}), UnorderedElementsAre("16", "32"));
  EXPECT_THAT(explored(CategoricalDomain{sizes, false}, std::int64_t{64}), ElementsAre("64"));
  EXPECT_THAT(explored(CategoricalDomain{sizes, false}, std::int64_t{64}, 0.5),
              UnorderedElementsAre("16", "32", "64", "128"));
}

TEST(Perturb, ResampledAreUniformOnTheirScale) {
  const Space space({{"r", RealDomain{1e-4, 1, Scale::log}}, {"n", IntegerDomain{1, 4}}});
  int low = 0;
  std::vector<int> counts(5);
  for (std::int64_t number = 0; number < 4000; ++number) {
    const auto point = perturb(space, {{"r", 1.0}, {"n", std::int64_t{1}}}, 3, number, 1);
    low += std::get<double>(point.at("r")) < 1e-2 ? 1 : 0;
    ++counts[static_cast<std::size_t>(std::get<std::int64_t>(point.at("n")))];
  }
  EXPECT_NEAR(low, 2000, 130);  // four deviations
  for (int n = 1; n <= 4; ++n) EXPECT_NEAR(counts[static_cast<std::size_t>(n)], 1000, 110);
}

TEST(Perturb, TheShareThatIsDrawnAnewIsAsTold) {
  const Space space({{"x", RealDomain{0, 10}}});
  int anew = 0;
  for (std::int64_t number = 0; number < 4000; ++number) {
    const double x = std::get<double>(perturb(space, {{"x", 5.0}}, 3, number, 0.25).at("x"));
    anew += x != 4.0 && x != 6.0 ? 1 : 0;
  }
  EXPECT_NEAR(anew, 1000, 110);
}

TEST(Perturb, ConstraintsHold) {
  const Space space({{"a", RealDomain{0, 10}}, {"b", RealDomain{0, 10}}}, {"a < b"});
  for (std::int64_t number = 0; number < 200; ++number) {
    const auto point = perturb(space, {{"a", 5.0}, {"b", 5.5}}, 3, number, 0.2);
    EXPECT_LT(std::get<double>(point.at("a")), std::get<double>(point.at("b")));
  }
  const Space hopeless({{"a", RealDomain{0, 10}}}, {"a == 5"});
  EXPECT_EQ(perturb(hopeless, {{"a", 5.0}}, 3, 0, 0.2), (Parameters{{"a", 5.0}}))
      << "then it is the parent's";
}

TEST(Perturb, IsAFunctionOfSeedAndNumber) {
  const Space space({{"x", RealDomain{0, 10}}, {"y", RealDomain{0, 10}}, {"z", RealDomain{0, 10}}});
  const Parameters parent{{"x", 5.0}, {"y", 5.0}, {"z", 5.0}};
  std::set<std::string> points;
  for (std::int64_t number = 0; number < 60; ++number) {
    const auto point = perturb(space, parent, 9, number, 0);
    EXPECT_EQ(perturb(space, parent, 9, number, 0), point);
    points.insert(to_string(point.at("x")) + to_string(point.at("y")) + to_string(point.at("z")));
  }
  EXPECT_EQ(points.size(), 8u) << "each parameter on its own";
  EXPECT_THROW(perturb(space, {{"x", 5.0}}, 9, 0, 0), SpaceError);
}

// Any space, any chance: Space::validate passes, conditions included.
TEST(Perturb, GivesAPointOfAnySpace) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Space space = krigon::testing::random_space(seed);
    const Encoding encoding(space);
    Random random(seed, 1, Purpose::candidates);
    std::vector<double> u(encoding.dims());
    for (double& x : u) x = random.uniform();
    Parameters point = encoding.decode(u);
    for (std::int64_t number = 0; number < 20; ++number) {
      point = perturb(space, point, seed, number, number % 2 == 0 ? 0.25 : 0);
      EXPECT_NO_THROW(space.validate(point)) << seed;
    }
  }
}

}  // namespace
}  // namespace krigon
