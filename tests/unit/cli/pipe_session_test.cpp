#include "cli/pipe_session.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fake_study.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Pipe : public ::testing::Test {
 protected:
  json say(const std::string& line) { return json::parse(session.handle(line)); }
  std::string error(const std::string& line) {
    const json answer = say(line);
    EXPECT_TRUE(answer.contains("error")) << answer;
    return answer.value("error", "");
  }
  void use(const StudySpec& spec) { manager = krigon::testing::make_counting(spec); }

  std::unique_ptr<StudyManager> manager = krigon::testing::make_counting(krigon::testing::counting_spec());
  PipeSession session{*manager};
};

TEST_F(Pipe, AsksReportsAndTells) {
  const json asked = say(R"({"op": "ask"})");
  EXPECT_EQ(asked.at("trial"), 0);
  EXPECT_EQ(asked.at("parameters"), json({{"x", 0.0}}));
  EXPECT_TRUE(asked.at("seed").is_number_integer());
  EXPECT_EQ(say(R"({"op": "report", "trial": 0, "step": 3, "metrics": {"loss": 0.4}})"),
            json({{"stop", false}}));
  EXPECT_EQ(say(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.3, "size": 7}})"), json({{"ok", true}}));
  EXPECT_EQ(say(R"({"op": "best"})"),
            json({{"trial", 0}, {"parameters", {{"x", 0.0}}}, {"metrics", {{"loss", 0.3}, {"size", 7.0}}}}));
}

TEST_F(Pipe, ThereIsNoBestBeforeATrialCompleted) {
  EXPECT_EQ(say(R"({"op": "best"})"), json({{"trial", nullptr}}));
}

TEST_F(Pipe, AFailedTrialIsToldAsOne) {
  say(R"({"op": "ask"})");
  EXPECT_EQ(say(R"({"op": "fail", "trial": 0, "reason": "out of memory"})"), json({{"ok", true}}));
  const auto trial = manager->storage().trial(manager->study().id, 0);
  EXPECT_EQ(trial->state, TrialState::failed);
  EXPECT_EQ(trial->reason, "out of memory");
}

TEST_F(Pipe, TheSameKeyGivesTheSameTrial) {
  EXPECT_EQ(say(R"({"op": "ask", "key": "a"})").at("trial"), 0);
  EXPECT_EQ(say(R"({"op": "ask", "key": "b"})").at("trial"), 1);
  EXPECT_EQ(say(R"({"op": "ask", "key": "a"})").at("trial"), 0);
  EXPECT_EQ(say(R"({"op": "ask", "count": 2, "key": "a"})").at("trials").size(), 2u);
  const json again = say(R"({"op": "ask", "count": 2, "key": "a"})").at("trials");
  EXPECT_EQ(again.at(0).at("trial"), 2);
  EXPECT_EQ(again.at(1).at("trial"), 3);
}

TEST_F(Pipe, CountGivesAList) {
  const json trials = say(R"({"op": "ask", "count": 3})").at("trials");
  ASSERT_EQ(trials.size(), 3u);
  EXPECT_EQ(trials.at(2).at("trial"), 2);
  EXPECT_EQ(say(R"({"op": "ask", "count": 1})").at("trials").size(), 1u);
}

TEST_F(Pipe, SaysWhenNothingIsLeft) {
  const json eight = say(R"({"op": "ask", "count": 10})");
  EXPECT_EQ(eight.at("trials").size(), 8u);
  EXPECT_THAT(eight.at("reason").get<std::string>(), HasSubstr("nothing left"));
  const json none = say(R"({"op": "ask"})");
  EXPECT_TRUE(none.at("trial").is_null());
}

TEST_F(Pipe, TheBudgetCountsRunningTrialsToo) {
  auto spec = krigon::testing::counting_spec();
  spec.budget.trials = 2;
  const auto small = krigon::testing::make_counting(spec);
  PipeSession pipe(*small);
  const auto ask = [&](const char* line) { return json::parse(pipe.handle(line)); };
  EXPECT_EQ(ask(R"({"op": "ask", "key": "a"})").at("trial"), 0);
  EXPECT_EQ(ask(R"({"op": "ask"})").at("trial"), 1);
  const json none = ask(R"({"op": "ask"})");
  EXPECT_TRUE(none.at("trial").is_null());
  EXPECT_EQ(none.at("reason"), "the budget of 2 trials is used up");
  EXPECT_EQ(ask(R"({"op": "ask", "key": "a"})").at("trial"), 0) << "asked before: given again";
}

TEST_F(Pipe, StopHasEndedTheTrial) {
  auto spec = krigon::testing::counting_spec();
  spec.early_stopping.type = "asha";
  spec.early_stopping.reduction = 2;
  const auto stopping = krigon::testing::make_counting(spec);
  PipeSession pipe(*stopping);
  pipe.handle(R"({"op": "ask", "count": 2})");
  EXPECT_EQ(pipe.handle(R"({"op": "report", "trial": 0, "step": 1, "metrics": {"loss": 0.1}})"),
            R"({"stop":false})");
  const json stop =
      json::parse(pipe.handle(R"({"op": "report", "trial": 1, "step": 1, "metrics": {"loss": 0.2}})"));
  EXPECT_EQ(stop.at("stop"), true);
  EXPECT_THAT(stop.at("reason").get<std::string>(), HasSubstr("rank 2 of 2"));
  EXPECT_EQ(stopping->storage().trial(stopping->study().id, 1)->state, TrialState::stopped);
  EXPECT_THAT(pipe.handle(R"({"op": "tell", "trial": 1, "metrics": {"loss": 0.2}})"), HasSubstr("stopped"));
}

TEST_F(Pipe, FirstTellWins) {
  say(R"({"op": "ask"})");
  say(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.3}})");
  EXPECT_EQ(say(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.3}})"), json({{"ok", true}}));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.4}})"), HasSubstr("already told"));
}

TEST_F(Pipe, ATrialOfAnotherPipeCanBeTold) {
  PipeSession(*manager).handle(R"({"op": "ask"})");
  EXPECT_EQ(say(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.3}})"), json({{"ok", true}}));
}

TEST_F(Pipe, WhateverElseComesIsAnErrorAndChangesNothing) {
  say(R"({"op": "ask"})");
  const auto before = manager->head().sequence;
  EXPECT_THAT(error("hello"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(""), HasSubstr("not a JSON object"));
  EXPECT_THAT(error("[1]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(error("{}"), HasSubstr("\"op\" is missing, allowed: ask, report, tell, fail, best"));
  EXPECT_THAT(error(R"({"op": 3})"), HasSubstr("\"op\" is 3, expected a text"));
  EXPECT_THAT(error(R"({"op": "Ask"})"), HasSubstr("there is no op \"Ask\", allowed"));
  EXPECT_THAT(error(R"({"op": "ask", "cuont": 2})"),
              HasSubstr("\"ask\" does not know \"cuont\", allowed: count, key"));
  EXPECT_THAT(error(R"({"op": "ask", "count": 0})"), HasSubstr("\"count\" is 0, allowed: 1 to 10000"));
  EXPECT_THAT(error(R"({"op": "ask", "count": 1.5})"), HasSubstr("\"count\" is 1.5, expected an integer"));
  EXPECT_THAT(error(R"({"op": "ask", "count": 18446744073709551615})"), HasSubstr("expected an integer"));
  EXPECT_THAT(error(R"({"op": "ask", "key": 1})"), HasSubstr("\"key\" is 1, expected a text"));
  EXPECT_THAT(error(R"({"op": "tell", "metrics": {"loss": 1}})"), HasSubstr("\"trial\" is missing"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0})"), HasSubstr("\"metrics\" is missing"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0, "metrics": {}})"), HasSubstr("at least one metric"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0, "metrics": {"acc": 1}})"),
              HasSubstr("\"loss\" is missing"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0, "metrics": {"loss": "low"}})"), HasSubstr("finite number"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 0, "metrics": {"loss": 1e999}})"), HasSubstr("overflow"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": 9, "metrics": {"loss": 1}})"),
              HasSubstr("there is no trial 9"));
  EXPECT_THAT(error(R"({"op": "tell", "trial": -1, "metrics": {"loss": 1}})"),
              HasSubstr("there is no trial -1"));
  EXPECT_THAT(error(R"({"op": "report", "trial": 0, "step": 0, "metrics": {"loss": 1}})"),
              HasSubstr("from 1"));
  EXPECT_THAT(error(R"({"op": "best", "trial": 1})"), HasSubstr("does not know \"trial\""));
  EXPECT_THAT(error("{\"op\": \"\xff\"}"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(std::string(2'000'000, '[')), HasSubstr("more than 1048576 bytes"));
  EXPECT_THAT(error(std::string(100'000, '[')), HasSubstr("deep"));
  EXPECT_EQ(manager->head().sequence, before);
  EXPECT_EQ(say(R"({"op": "tell", "trial": 0, "metrics": {"loss": 0.3}})"), json({{"ok", true}}))
      << "and goes on";
}

}  // namespace
}  // namespace krigon::cli
