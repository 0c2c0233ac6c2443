#include "krigon/space.hpp"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const SpaceError& e) {
    return e.what();
  }
  return "no error";
}

std::string space_error(std::vector<Parameter> parameters, std::vector<std::string> constraints = {}) {
  return error_of([&] { Space(std::move(parameters), std::move(constraints)); });
}

std::vector<Value> texts(std::initializer_list<const char*> list) {
  std::vector<Value> values;
  for (const char* text : list) values.emplace_back(std::string(text));
  return values;
}

Space model_choice() {
  return Space({{"momentum", RealDomain{0, 0.99}, {{"optimizer", texts({"sgd"})}}},
                {"optimizer", CategoricalDomain{texts({"sgd", "adam"})}},
                {"nesterov", CategoricalDomain{{true, false}}, {{"optimizer", texts({"sgd"})}}},
                {"lookahead", IntegerDomain{1, 5}, {{"nesterov", {Value(true)}}}},
                {"data", ConstantDomain{std::string("digits")}}});
}

TEST(Space, RefusesWhatCanNeverWorkAndNamesTheParameter) {
  EXPECT_THAT(space_error({{"x", RealDomain{1, 0}}}),
              HasSubstr("parameter \"x\": min (1) must be below max (0)"));
  EXPECT_THAT(space_error({{"x", RealDomain{0, 1, Scale::log}}}), HasSubstr("log scale needs min above 0"));
  EXPECT_THAT(space_error({{"x", RealDomain{0, 1, Scale::linear, 2.0}}}), HasSubstr("step (2) is larger"));
  EXPECT_THAT(space_error({{"x", RealDomain{-1e308, 1e308}}}), HasSubstr("too wide"));
  EXPECT_THAT(space_error({{"x", IntegerDomain{0, 4, Scale::log}}}), HasSubstr("min of at least 1"));
  EXPECT_THAT(space_error({{"x", CategoricalDomain{{}}}}), HasSubstr("at least one value"));
  EXPECT_THAT(space_error({{"x", CategoricalDomain{{std::int64_t{1}, std::string("1")}}}}),
              HasSubstr("listed twice"));
  EXPECT_THAT(space_error({{"1x", RealDomain{}}}), HasSubstr("parameter name \"1x\""));
  EXPECT_THAT(space_error({{"x", RealDomain{}}, {"x", RealDomain{}}}), HasSubstr("twice"));
}

TEST(Space, RefusesConditionsThatCannotHold) {
  EXPECT_THAT(space_error({{"x", RealDomain{}, {{"y", texts({"a"})}}}}), HasSubstr("\"y\" is no parameter"));
  EXPECT_THAT(
      space_error({{"x", RealDomain{}, {{"y", texts({"b"})}}}, {"y", CategoricalDomain{texts({"a"})}}}),
      HasSubstr("\"y\" can never be b (allowed: one of a)"));
  EXPECT_THAT(space_error({{"x", CategoricalDomain{texts({"a"})}, {{"y", texts({"a"})}}},
                           {"y", CategoricalDomain{texts({"a"})}, {{"x", texts({"a"})}}}}),
              HasSubstr("circle: x, y"));
}

TEST(Space, RefusesConstraintsThatCannotBeRead) {
  const std::vector<Parameter> xy{{"x", RealDomain{}}, {"o", CategoricalDomain{texts({"a", "b"})}}};
  EXPECT_THAT(space_error(xy, {"x +* 2 < 1"}), HasSubstr("constraint \"x +* 2 < 1\""));
  EXPECT_THAT(space_error(xy, {"z < 1"}), HasSubstr("\"z\" is no parameter (there are: x, o)"));
  EXPECT_THAT(space_error(xy, {"o < 1"}), HasSubstr("\"o\" holds text"));
  EXPECT_THAT(space_error(xy, {"1 < 2"}), HasSubstr("names no parameter"));
}

TEST(Space, OrdersParentsFirst) {
  const Space space = model_choice();
  std::vector<std::string> names;
  for (const auto i : space.order()) names.push_back(space.parameters()[i].name);
  const auto at = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) - names.begin();
  };
  EXPECT_EQ(names.size(), 5u);
  EXPECT_LT(at("optimizer"), at("momentum"));
  EXPECT_LT(at("nesterov"), at("lookahead"));
}

TEST(Space, ActivityFollowsTheWholeChainOfParents) {
  const Space space = model_choice();
  const auto& lookahead = *space.find("lookahead");
  EXPECT_TRUE(space.active(lookahead, {{"optimizer", std::string("sgd")}, {"nesterov", true}}));
  EXPECT_FALSE(space.active(lookahead, {{"optimizer", std::string("sgd")}, {"nesterov", false}}));
  EXPECT_FALSE(space.active(lookahead, {{"optimizer", std::string("adam")}}));
}

TEST(Space, ValidateNamesTheFirstOffender) {
  const Space space = model_choice();
  const Parameters adam{{"optimizer", std::string("adam")}, {"data", std::string("digits")}};
  EXPECT_NO_THROW(space.validate(adam));
  const auto with = [&](const char* name, Value value) {
    Parameters p = adam;
    p[name] = std::move(value);
    return error_of([&] { space.validate(p); });
  };
  EXPECT_THAT(with("momentum", 0.5), HasSubstr("\"momentum\" is not active"));
  EXPECT_THAT(with("momentun", 0.5), HasSubstr("\"momentun\" is no parameter"));
  EXPECT_THAT(with("optimizer", std::string("rmsprop")),
              HasSubstr("found rmsprop, allowed is one of sgd, adam"));
  EXPECT_THAT(error_of([&] {
                space.validate({{"data", std::string("digits")}});
              }),
              HasSubstr("\"optimizer\" is missing"));
}

TEST(Space, StepsAndBoundsAreExact) {
  const Space space(
      {{"x", RealDomain{0, 1, Scale::linear, 0.1}}, {"n", IntegerDomain{2, 10, Scale::linear, 4}}});
  EXPECT_NO_THROW(space.validate({{"x", 0.3}, {"n", std::int64_t{6}}}));
  EXPECT_NO_THROW(space.validate({{"x", 0.1 * 3}, {"n", std::int64_t{10}}}));
  EXPECT_THROW(space.validate({{"x", 0.35}, {"n", std::int64_t{6}}}), SpaceError);
  EXPECT_THROW(space.validate({{"x", 0.3}, {"n", std::int64_t{7}}}), SpaceError);
  EXPECT_EQ(space.size(), 33);
}

TEST(Space, CompleteSpeaksTheDomainsTypes) {
  const Space space({{"x", RealDomain{0, 10}},
                     {"n", IntegerDomain{1, 9}},
                     {"b", CategoricalDomain{{std::int64_t{32}, std::int64_t{64}}}},
                     {"c", ConstantDomain{std::int64_t{5}}}});
  const Parameters p = space.complete({{"x", std::int64_t{3}}, {"n", 4.0}, {"b", 64.0}});
  EXPECT_TRUE(same_value(p.at("x"), 3.0));
  EXPECT_TRUE(same_value(p.at("n"), std::int64_t{4}));
  EXPECT_TRUE(same_value(p.at("b"), std::int64_t{64}));
  EXPECT_TRUE(same_value(p.at("c"), std::int64_t{5}));
  EXPECT_THROW(space.complete({{"x", 3.0}, {"n", 4.5}, {"b", std::int64_t{64}}}), SpaceError);
}

TEST(Space, ConstraintsHoldWhereAParameterIsInactive) {
  const Space space({{"kind", CategoricalDomain{texts({"a", "b"})}},
                     {"n", IntegerDomain{1, 10}, {{"kind", texts({"a"})}}},
                     {"m", IntegerDomain{1, 10}}},
                    {"n * m <= 12"});
  const Value a = std::string("a"), b = std::string("b");
  EXPECT_TRUE(space.feasible({{"kind", a}, {"n", std::int64_t{3}}, {"m", std::int64_t{4}}}));
  EXPECT_FALSE(space.feasible({{"kind", a}, {"n", std::int64_t{4}}, {"m", std::int64_t{4}}}));
  EXPECT_TRUE(space.feasible({{"kind", b}, {"m", std::int64_t{10}}}));
  const Space root({{"x", RealDomain{-1, 1}}}, {"sqrt(x) < 10"});
  EXPECT_FALSE(root.feasible({{"x", -0.5}})) << "no value (NaN) is not satisfied";
}

TEST(Space, ConstraintsMayBeEvaluatedFromSeveralThreads) {
  const Space space({{"x", RealDomain{0, 1}}}, {"x < 0.5"});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const double x = t % 2 == 0 ? 0.25 : 0.75;
      for (int i = 0; i < 2000; ++i) wrong += space.feasible({{"x", x}}) == (t % 2 == 0) ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Space, SizeSaturatesAndIsUnknownForReals) {
  EXPECT_EQ(Space({{"x", RealDomain{0, 1}}}).size(), std::nullopt);
  EXPECT_EQ(Space().size(), 1);
  std::vector<Parameter> many;
  for (int i = 0; i < 30; ++i) many.push_back({"n" + std::to_string(i), IntegerDomain{0, 1'000'000}});
  EXPECT_EQ(Space(many).size(), std::int64_t{1} << 62);
}

}  // namespace
}  // namespace krigon
