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
  EXPECT_THAT(scheduler_names(), testing::ElementsAre("none", "asha", "median"));
  for (const auto name : scheduler_names()) {
    EarlyStopping options;
    options.type = name;
    EXPECT_EQ(make_scheduler(options)->name(), name);
  }
}

TEST(Schedulers, AnUnknownNameIsToldWhatIsAllowed) {
  EarlyStopping options;
  options.type = "hyperbond";
  EXPECT_EQ(error_of(options), "early_stopping: there is no type 'hyperbond', allowed: none, asha, median");
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
  EXPECT_THAT(with([](auto& o) { o.reduction = 1; }), HasSubstr("reduction is 1, allowed: a number above 1"));
  EXPECT_THAT(with([](auto& o) { o.reduction = std::numeric_limits<double>::quiet_NaN(); }),
              HasSubstr("reduction is nan"));
  EXPECT_THAT(with([](auto& o) { o.startup = -1; }), HasSubstr("startup is -1"));
  EXPECT_EQ(with([](auto&) {}), "");
}

}  // namespace
}  // namespace krigon
