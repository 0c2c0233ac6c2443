#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/spec.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using nlohmann::json;

StudySpec full_spec() {
  StudySpec spec;
  spec.name = "digits-mlp";
  spec.objectives = {{"accuracy", Direction::maximize}};
  spec.space = Space({{"lr", RealDomain{1e-5, 0.1, Scale::log}},
                      {"x", RealDomain{0, 1, Scale::linear, 0.25}},
                      {"layers", IntegerDomain{1, 4}},
                      {"width", IntegerDomain{8, 512, Scale::log}},
                      {"k", IntegerDomain{0, 10, Scale::linear, 5}},
                      {"batch", CategoricalDomain{{std::int64_t{32}, std::int64_t{64}}, true}},
                      {"optimizer", CategoricalDomain{{std::string("sgd"), std::string("adam")}}},
                      {"momentum", RealDomain{0, 0.99}, {{"optimizer", {Value(std::string("sgd"))}}}},
                      {"data", ConstantDomain{std::string("digits")}}},
                     {"batch * layers <= 512"});
  spec.trial.command = {"python3", "train.py", "--lr", "{lr}"};
  spec.trial.env = {{"A", "b"}};
  spec.trial.metrics = {{"accuracy", {false, "val_acc=([0-9.]+)"}}};
  spec.trial.timeout = Milliseconds(600'000);
  spec.trial.retries = 3;
  spec.trial.own_folder = false;
  spec.trial.checkpoint = true;
  spec.budget = {60, 2, Milliseconds(7'200'000)};
  spec.early_stopping = {"asha", 1, 27, 3, 5};
  spec.resources = {{0, 1}, 1, 2, std::uint64_t{4} << 30};
  spec.sampler = {"gp", 8, 20000};
  spec.on_best = {"./deploy.sh", "{checkpoint}"};
  spec.max_failures = 5;
  spec.seed = 18446744073709551615u;
  spec.inputs = {"train.py"};
  return spec;
}

TEST(SpecJson, EveryFieldSurvivesTheRoundTrip) {
  const json once = to_json(full_spec());
  const StudySpec again = spec_from_json(json::parse(once.dump()));
  EXPECT_EQ(to_json(again), once);
  EXPECT_EQ(again.seed, 18446744073709551615u);
  EXPECT_EQ(again.trial.timeout, Milliseconds(600'000));
  EXPECT_FALSE(again.trial.own_folder);
  EXPECT_TRUE(again.trial.checkpoint);
  EXPECT_EQ(again.resources.memory, std::uint64_t{4} << 30);
  EXPECT_EQ(again.space.parameters().at(7).when.at(0).parameter, "optimizer");
  // No field of the full example holds its default, so one that to_json() forgot would show here.
  const json defaults = to_json(StudySpec{});
  for (const auto& [key, value] : once.items()) EXPECT_NE(value, defaults.at(key)) << key;
}

TEST(SpecJson, EveryOptionOfEarlyStoppingSurvives) {
  StudySpec spec;
  spec.early_stopping = {"pbt", 2, 81, 4, 7, 3, true, 30, 12, 0.5, -1.5, 0.2, 0.07, 9, 6, 0.3, 0.4};
  const json once = to_json(spec).at("early_stopping");
  const json defaults = to_json(StudySpec{}).at("early_stopping");
  EXPECT_EQ(once.size(), 17u) << "one for each member";
  for (const auto& [key, value] : once.items()) {
    EXPECT_NE(value, defaults.value(key, json(nullptr))) << key;
  }
  EXPECT_EQ(to_json(spec_from_json(to_json(spec))).at("early_stopping"), once);
  EXPECT_EQ(defaults.size(), 5u) << "a study that was stored by an earlier version stays equal to its file";
}

TEST(SpecJson, AStudyStoredByAnEarlierVersionStaysAsItIs) {
  const std::string before =
      R"({"command":["true"],"cwd":"trial","env":{},"grace_ms":10000,"metrics":{},"output_limit":67108864,)"
      R"("retries":1,"timeout_ms":null})";
  StudySpec spec;
  spec.name = "s";
  json stored = to_json(spec);
  stored["trial"] = json::parse(before);
  const StudySpec read = spec_from_json(stored);
  EXPECT_FALSE(read.trial.checkpoint);
  EXPECT_EQ(to_json(read).at("trial").dump(), before);
}

TEST(SpecJson, OptionalsStayAbsent) {
  StudySpec spec;
  spec.name = "s";
  spec.objectives = {{}};
  const StudySpec again = spec_from_json(to_json(spec));
  EXPECT_FALSE(again.budget.trials || again.budget.time || again.trial.timeout || again.resources.memory ||
               again.sampler.initial || again.sampler.observations || again.max_failures);
}

TEST(SpecJson, WhatIsNoSpecIsAStorageError) {
  EXPECT_THROW(spec_from_json(json::object()), StorageError);
  EXPECT_THROW(spec_from_json(json::array()), StorageError);
  EXPECT_THROW(space_from_json(json::parse(R"({"parameters": [{"name": "x"}], "constraints": []})")),
               StorageError);
}

TEST(ValueJson, KeepsTypesApart) {
  for (const char* text : {"1", "1.0", "true", "\"1\"", "-7", "1e-05"}) {
    const Value value = value_from_json(json::parse(text));
    EXPECT_TRUE(same_value(value_from_json(json::parse(to_json(value).dump())), value)) << text;
  }
  EXPECT_TRUE(std::holds_alternative<std::int64_t>(value_from_json(json::parse("1"))));
  EXPECT_TRUE(std::holds_alternative<double>(value_from_json(json::parse("1.0"))));
  EXPECT_THROW(value_from_json(json::parse("null")), SpaceError);
  EXPECT_THROW(value_from_json(json::parse("18446744073709551615")), SpaceError);
}

TEST(MetricsJson, TakesFiniteNumbersOnly) {
  EXPECT_EQ(metrics_from_json(json::parse(R"({"a": 1, "b": 0.5})")), (Metrics{{"a", 1.0}, {"b", 0.5}}));
  EXPECT_THROW(metrics_from_json(json::parse(R"({"a": "1"})")), UsageError);
  EXPECT_THROW(metrics_from_json(json::parse(R"({"a": null})")), UsageError);
  EXPECT_THROW(metrics_from_json(json::parse("[1]")), UsageError);
}

}  // namespace
}  // namespace krigon
