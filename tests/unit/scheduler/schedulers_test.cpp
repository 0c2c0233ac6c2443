#include "scheduler/schedulers.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

std::string error_of(const EarlyStopping& options) {
  try {
    make_scheduler(options);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Schedulers, EveryNameMakesTheSchedulerOfThatName) {
  EXPECT_THAT(scheduler_names(),
              testing::ElementsAre("none", "asha", "envelope", "hyperband", "bohb", "median", "percentile",
                                   "patience", "threshold", "wilcoxon", "curve", "pbt"));
  for (const auto name : scheduler_names()) {
    EarlyStopping options;
    options.type = name;
    options.max_steps = 27;
    options.interval = 3;
    options.bound = 1;
    EXPECT_EQ(make_scheduler(options)->name(), name);
  }
}

TEST(Schedulers, AnUnknownNameIsToldWhatIsAllowed) {
  EarlyStopping options;
  options.type = "hyperbond";
  EXPECT_EQ(error_of(options),
            "early_stopping: there is no type 'hyperbond', allowed: none, asha, envelope, hyperband, bohb, "
            "median, percentile, patience, threshold, wilcoxon, curve, pbt");
}

TEST(Schedulers, OptionsOutOfRangeAreRefused) {
  const auto with = [](auto change) {
    EarlyStopping options;
    options.type = "asha";
    change(options);
    return error_of(options);
  };
  using testing::HasSubstr;
  EXPECT_THAT(with([](auto& o) { o.min_steps = 0; }), HasSubstr("min_steps is 0, allowed: 1 or more"));
  EXPECT_THAT(with([](auto& o) { o.min_steps = 5, o.max_steps = 4; }), HasSubstr("max_steps is 4"));
  EXPECT_THAT(with([](auto& o) { o.max_steps = -1; }), HasSubstr("max_steps is -1"));
  EXPECT_THAT(with([](auto& o) { o.reduction = 1; }), HasSubstr("reduction is 1, allowed: 1.1 to 1000"));
  EXPECT_THAT(with([](auto& o) { o.reduction = std::numeric_limits<double>::quiet_NaN(); }),
              HasSubstr("reduction is nan"));
  EXPECT_THAT(with([](auto& o) { o.startup = -1; }), HasSubstr("startup is -1"));
  EXPECT_THAT(with([](auto& o) { o.brackets = 0; }), HasSubstr("brackets is 0"));
  EXPECT_THAT(with([](auto& o) { o.percentile = 100; }), HasSubstr("percentile is 100"));
  EXPECT_THAT(with([](auto& o) { o.patience = 0; }), HasSubstr("patience is 0, allowed: 1 or more"));
  EXPECT_THAT(with([](auto& o) { o.delta = -1; }), HasSubstr("delta is -1"));
  EXPECT_THAT(with([](auto& o) { o.bound = std::numeric_limits<double>::infinity(); }),
              HasSubstr("bound is"));
  EXPECT_THAT(with([](auto& o) { o.p_value = 0; }), HasSubstr("p_value is 0"));
  EXPECT_THAT(with([](auto& o) { o.probability = 0.7; }), HasSubstr("probability is 0.7"));
  EXPECT_THAT(with([](auto& o) { o.population = 1; }), HasSubstr("population is 1"));
  EXPECT_THAT(with([](auto& o) { o.interval = -1; }), HasSubstr("interval is -1"));
  EXPECT_THAT(with([](auto& o) { o.quantile = 0.6; }), HasSubstr("quantile is 0.6"));
  EXPECT_THAT(with([](auto& o) { o.resample = 2; }), HasSubstr("resample is 2"));
  EXPECT_EQ(with([](auto&) {}), "");
}

TEST(Schedulers, WhatATypeCannotDoWithoutIsAskedFor) {
  const auto without = [](const char* type) {
    EarlyStopping options;
    options.type = type;
    return error_of(options);
  };
  using testing::HasSubstr;
  EXPECT_THAT(without("hyperband"), HasSubstr("max_steps is 0, allowed: 1 or more with hyperband"));
  EXPECT_THAT(without("bohb"), HasSubstr("max_steps is 0, allowed: 1 or more with bohb"));
  EXPECT_THAT(without("envelope"), HasSubstr("max_steps is 0, allowed: 1 or more with envelope"));
  EXPECT_THAT(without("curve"), HasSubstr("max_steps is 0, allowed: 1 or more with curve"));
  EXPECT_THAT(without("threshold"), HasSubstr("bound is not given"));
  EXPECT_THAT(without("pbt"), HasSubstr("interval is 0, allowed: 1 or more"));
}

TEST(Schedulers, ABoundIsAValueOfTheObjectiveInBothDirections) {
  EarlyStopping options;
  options.type = "threshold";
  options.bound = 4;
  for (const Direction direction : {Direction::minimize, Direction::maximize}) {
    const auto scheduler = make_study_scheduler(options, {direction, nullptr});
    const double sign = direction == Direction::minimize ? 1 : -1;
    scheduler->observe(0, 1, 1, sign * 3);  // fed losses
    scheduler->observe(1, 1, 1, sign * 5);
    const bool less_is_better = direction == Direction::minimize;
    EXPECT_EQ(scheduler->judge(0).verdict == Verdict::stop, !less_is_better);
    EXPECT_EQ(scheduler->judge(1).verdict == Verdict::stop, less_is_better);
  }
}

}  // namespace
}  // namespace krigon
