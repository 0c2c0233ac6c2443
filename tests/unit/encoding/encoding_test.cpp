#include "core/encoding.hpp"

#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/support/random_space.hpp"

namespace krigon {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

std::vector<double> random_point(Random& random, std::size_t dims) {
  std::vector<double> u(dims);
  for (double& x : u) {
    // Often the very ends and the borders between cells.
    const auto kind = random.below(8);
    x = kind == 0 ? 0.0 : kind == 1 ? 1.0 : kind == 2 ? 0.5 : random.uniform();
  }
  return u;
}

template <typename Body>
void over_random_spaces(Body body) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, 1, Purpose::candidates);
    body(Encoding(testing::random_space(seed)), random);
  }
}

TEST(OverRandomSpaces, DecodedPointsBelongToTheSpace) {
  over_random_spaces([](const Encoding& encoding, Random& random) {
    for (int i = 0; i < 50; ++i) {
      EXPECT_NO_THROW(encoding.space().validate(encoding.decode(random_point(random, encoding.dims()))));
    }
  });
}

TEST(OverRandomSpaces, CanonicaliseIsEncodeOfDecodeAndLevelsStay) {
  over_random_spaces([](const Encoding& encoding, Random& random) {
    for (int i = 0; i < 50; ++i) {
      const auto u = random_point(random, encoding.dims());
      auto canonical = u;
      encoding.canonicalise(canonical);
      const auto encoded = encoding.encode(encoding.decode(u));
      ASSERT_TRUE(encoded);
      EXPECT_EQ(*encoded, canonical);
      // Once more changes nothing.
      auto again = canonical;
      encoding.canonicalise(again);
      const auto active = encoding.active(u);
      EXPECT_EQ(active, encoding.active(canonical));
      for (std::size_t c = 0; c < encoding.dims(); ++c) {
        // Doubles far from zero are sparser than 2^-32 of some of these ranges.
        const auto* real = std::get_if<RealDomain>(
            &encoding.space().parameters()[encoding.coordinates()[c].parameter].domain);
        const bool sparse = real != nullptr && real->scale == Scale::linear && !real->step &&
                            std::abs(real->max) * 0x1p-52 > (real->max - real->min) * 0x1p-34;
        if (!sparse) {
          EXPECT_EQ(again[c], canonical[c]);
        }
        if (!active[c]) {
          EXPECT_EQ(canonical[c], Encoding::kImputed);
        }
      }
    }
  });
}

TEST(OverRandomSpaces, WhatIsInactiveDoesNotMatter) {
  over_random_spaces([](const Encoding& encoding, Random& random) {
    for (int i = 0; i < 20; ++i) {
      auto u = random_point(random, encoding.dims());
      auto other = u;
      const auto active = encoding.active(u);
      for (std::size_t c = 0; c < encoding.dims(); ++c) {
        if (!active[c]) other[c] = random.uniform();
      }
      EXPECT_EQ(encoding.decode(u), encoding.decode(other));
      encoding.canonicalise(u);
      encoding.canonicalise(other);
      EXPECT_EQ(u, other);
      std::vector<double> row(encoding.columns()), other_row(encoding.columns());
      encoding.expand(u, row);
      encoding.expand(other, other_row);
      EXPECT_EQ(row, other_row);
    }
  });
}

TEST(OverRandomSpaces, EveryLevelHasItsPlace) {
  over_random_spaces([](const Encoding& encoding, Random&) {
    for (std::size_t c = 0; c < encoding.dims(); ++c) {
      const auto& coordinate = encoding.coordinates()[c];
      for (std::int64_t k = 0; k < std::min<std::int64_t>(coordinate.levels, 500); ++k) {
        EXPECT_EQ(encoding.level(c, encoding.place(c, k)), k);
        const std::int64_t last = coordinate.levels - 1 - k;
        EXPECT_EQ(encoding.level(c, encoding.place(c, last)), last);
      }
    }
  });
}

TEST(Encoding, EndsAreExact) {
  const Encoding encoding(Space({{"log", RealDomain{1e-5, 0.1, Scale::log, {}}},
                                 {"linear", RealDomain{-0.3, 0.7, Scale::linear, {}}},
                                 {"int", IntegerDomain{-7, 9, Scale::linear, 1}},
                                 {"log_int", IntegerDomain{1, 1000, Scale::log, 1}},
                                 {"step", RealDomain{0.1, 0.9, Scale::linear, 0.1}}}));
  const auto low = encoding.decode(std::vector<double>(5, 0.0));
  EXPECT_EQ(low, (Parameters{{"log", 1e-5},
                             {"linear", -0.3},
                             {"int", std::int64_t{-7}},
                             {"log_int", std::int64_t{1}},
                             {"step", 0.1}}));
  const auto high = encoding.decode(std::vector<double>(5, 1.0));
  EXPECT_EQ(high, (Parameters{{"log", 0.1},
                              {"linear", 0.7},
                              {"int", std::int64_t{9}},
                              {"log_int", std::int64_t{1000}},
                              {"step", 0.9}}));
  EXPECT_EQ(encoding.decode(std::vector<double>(5, -3.0)), low);
  EXPECT_EQ(encoding.decode(std::vector<double>(5, 1.5)), high);
  EXPECT_EQ((*encoding.encode(low))[0], 0.0);
  EXPECT_EQ((*encoding.encode(high))[0], 1.0);
}

TEST(Encoding, ScalesAreWhatTheySay) {
  const Encoding encoding(Space({{"log", RealDomain{1e-4, 1, Scale::log, {}}},
                                 {"int", IntegerDomain{1, 4, Scale::linear, 1}},
                                 {"even", IntegerDomain{0, 8, Scale::linear, 2}},
                                 {"list", CategoricalDomain{{std::int64_t{32}, std::int64_t{64}}, true}}}));
  const auto u = encoding.encode(
      {{"log", 0.01}, {"int", std::int64_t{1}}, {"even", std::int64_t{4}}, {"list", std::int64_t{64}}});
  ASSERT_TRUE(u);
  EXPECT_THAT(*u, ElementsAre(DoubleNear(0.5, 1e-9), DoubleNear(0.125, 1e-15), DoubleNear(0.5, 1e-15),
                              DoubleNear(0.75, 1e-15)));
}

TEST(Encoding, LevelsAreEquallyLikelyOnALinearScale) {
  const Encoding encoding(Space({{"n", IntegerDomain{1, 5, Scale::linear, 1}}}));
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 1000; ++i) {
    counts[std::get<std::int64_t>(encoding.decode(std::vector<double>{(i + 0.5) / 1000}).at("n"))]++;
  }
  EXPECT_EQ(counts.size(), 5u);
  for (const auto& [value, count] : counts) EXPECT_EQ(count, 200) << value;
}

TEST(Encoding, IntegersTooManyForADoubleStayStable) {
  const std::int64_t far = std::int64_t{1} << 53;
  const Encoding encoding(Space(
      {{"wide", IntegerDomain{-far, far, Scale::linear, 1}}, {"log", IntegerDomain{1, far, Scale::log, 1}}}));
  Random random(1, 1, Purpose::candidates);
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> u{random.uniform(), random.uniform()};
    const auto point = encoding.decode(u);
    EXPECT_NO_THROW(encoding.space().validate(point));
    EXPECT_EQ(encoding.decode(*encoding.encode(point)), point);
  }
}

TEST(Encoding, OneCoordinateForEachParameterThatCanVary) {
  const Encoding encoding(
      Space({{"constant", ConstantDomain{std::int64_t{3}}},
             {"only", CategoricalDomain{{Value{"sgd"}}, false}},
             {"kind", CategoricalDomain{{Value{"a"}, Value{"b"}, Value{"c"}}, false}},
             {"x", RealDomain{0, 1, Scale::linear, {}}},
             {"under", RealDomain{0, 1, Scale::linear, {}}, {{"only", {Value{"sgd"}}}}}}));
  EXPECT_EQ(encoding.dims(), 3u);
  EXPECT_THAT(encoding.column_coordinate(), ElementsAre(0, 0, 0, 1, 2));
  const auto point = encoding.decode(std::vector<double>{0.5, 0.25, 0.75});
  EXPECT_EQ(
      point,
      (Parameters{
          {"constant", std::int64_t{3}}, {"only", "sgd"}, {"kind", "b"}, {"x", 0.25}, {"under", 0.75}}));
}

TEST(Encoding, DifferentValuesOfAListAreAtSquaredDistanceOne) {
  const Encoding encoding(Space(
      {{"use", CategoricalDomain{{Value{false}, Value{true}}, true}},
       {"kind", CategoricalDomain{{Value{"a"}, Value{"b"}, Value{"c"}}, false}, {{"use", {Value{true}}}}}}));
  std::vector<std::vector<double>> rows;
  for (const Parameters& point : {Parameters{{"use", true}, {"kind", "a"}},
                                  Parameters{{"use", true}, {"kind", "c"}}, Parameters{{"use", false}}}) {
    rows.emplace_back(encoding.columns());
    encoding.expand(*encoding.encode(point), rows.back());
  }
  const auto squared = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t i = 1; i < rows[a].size(); ++i) sum += std::pow(rows[a][i] - rows[b][i], 2);
    return sum;
  };
  EXPECT_NEAR(squared(0, 1), 1.0, 1e-15);
  EXPECT_NEAR(squared(0, 2), 0.5, 1e-15);
  std::vector<double> gradient(2);
  encoding.pull_back(std::vector<double>(4, 1.0), gradient);
  EXPECT_THAT(gradient, ElementsAre(1.0, 0.0));
}

TEST(Encoding, NestedConditions) {
  const Encoding encoding(
      Space({{"leaf", RealDomain{0, 1, Scale::linear, {}}, {{"depth", {std::int64_t{2}, std::int64_t{3}}}}},
             {"depth", IntegerDomain{1, 3, Scale::linear, 1}, {{"model", {Value{"tree"}}}}},
             {"model", CategoricalDomain{{Value{"tree"}, Value{"line"}}, false}}}));
  EXPECT_EQ(encoding.decode(std::vector<double>{0.5, 0.9, 0.1}),
            (Parameters{{"leaf", 0.5}, {"depth", std::int64_t{3}}, {"model", "tree"}}));
  EXPECT_EQ(encoding.decode(std::vector<double>{0.5, 0.1, 0.1}),
            (Parameters{{"depth", std::int64_t{1}}, {"model", "tree"}}));
  EXPECT_EQ(encoding.decode(std::vector<double>{0.5, 0.9, 0.9}), (Parameters{{"model", "line"}}));
  EXPECT_THAT(encoding.active(std::vector<double>{0.5, 0.9, 0.9}), ElementsAre(false, false, true));
}

TEST(Encoding, AConditionOnARealsExactValue) {
  const Encoding encoding(
      Space({{"x", RealDomain{0, 2, Scale::linear, {}}},
             {"y", RealDomain{0, 1, Scale::linear, {}}, {{"x", {Value{2.0}, Value{0.3}}}}}}));
  EXPECT_EQ(encoding.decode(std::vector<double>{1.0, 0.5}), (Parameters{{"x", 2.0}, {"y", 0.5}}));
  EXPECT_EQ(encoding.decode(std::vector<double>{0.9, 0.5}).size(), 1u);
  const Parameters inside{{"x", 0.3}, {"y", 0.5}};
  EXPECT_EQ(encoding.decode(*encoding.encode(inside)), inside);
}

TEST(Encoding, PointsOfAnotherSpaceAreRefused) {
  const Encoding encoding(Space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}}, false}},
                                 {"x", RealDomain{0, 1, Scale::linear, {}}, {{"kind", {Value{"a"}}}}},
                                 {"s", RealDomain{0, 1, Scale::linear, 0.25}}}));
  EXPECT_TRUE(encoding.encode({{"kind", "a"}, {"x", 0.5}, {"s", 0.25}}));
  EXPECT_TRUE(encoding.encode({{"kind", "b"}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "a"}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "b"}, {"x", 0.5}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "c"}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "a"}, {"x", 1.5}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "a"}, {"x", std::int64_t{1}}, {"s", 0.25}}));
  EXPECT_FALSE(encoding.encode({{"kind", "b"}, {"s", 0.3}}));
  EXPECT_FALSE(encoding.encode({{"kind", "b"}, {"s", 0.25}, {"new", 1.0}}));
}

TEST(Encoding, ConstraintsAreAskedAtTheDecodedPoint) {
  const Encoding encoding(
      Space({{"a", IntegerDomain{1, 10, Scale::linear, 1}}, {"b", IntegerDomain{1, 10, Scale::linear, 1}}},
            {"a + b <= 10"}));
  EXPECT_TRUE(encoding.feasible(std::vector<double>{0.45, 0.45}));
  EXPECT_FALSE(encoding.feasible(std::vector<double>{0.55, 0.55}));
}

TEST(Encoding, ASpaceOfConstantsHasNoCoordinates) {
  const Encoding encoding(Space({{"c", ConstantDomain{Value{"x"}}}}));
  EXPECT_EQ(encoding.dims(), 0u);
  EXPECT_EQ(encoding.decode({}), (Parameters{{"c", "x"}}));
  EXPECT_TRUE(encoding.encode({{"c", "x"}}));
  EXPECT_FALSE(encoding.encode({{"c", "y"}}));
}

}  // namespace
}  // namespace krigon
