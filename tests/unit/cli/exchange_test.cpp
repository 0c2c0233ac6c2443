#include "cli/exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/trial_text.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

using ::testing::HasSubstr;

StudySpec spec() {
  StudySpec s;
  s.name = "s";
  s.objectives = {{"loss", Direction::minimize}};
  s.space = Space({{"x", RealDomain{0, 1, Scale::linear, {}}, {}},
                   {"kind", CategoricalDomain{{std::string("a,b"), std::string("c")}, false}, {}},
                   {"depth", IntegerDomain{1, 4, Scale::linear, 1}, {{"kind", {std::string("c")}}}}});
  return s;
}

std::vector<TrialRow> rows() {
  std::vector<TrialRow> all(4);
  all[0].trial.number = 0;
  all[0].trial.state = TrialState::completed;
  all[0].trial.parameters = {{"x", 0.25}, {"kind", std::string("a,b")}};
  all[0].trial.metrics = {{"loss", 0.1}, {"x", 9.0}};
  all[0].trial.key = "k0";
  all[1].trial.number = 1;
  all[1].trial.state = TrialState::stopped;
  all[1].trial.parameters = {{"x", 1.0}, {"kind", std::string("c")}, {"depth", std::int64_t{2}}};
  all[1].trial.reason = "rank 2 of 2";
  all[1].reports = {{1, {{"loss", 0.9}}}, {3, {{"loss", 0.8}}}};
  all[2].trial.number = 2;
  all[2].trial.state = TrialState::failed;
  all[2].trial.parameters = {{"x", 0.5}, {"kind", std::string("a,b")}};
  all[2].trial.reason = "exit \"code\" 1";
  all[3].trial.number = 3;
  all[3].trial.state = TrialState::running;
  all[3].trial.parameters = {{"x", 0.75}, {"kind", std::string("a,b")}};
  return all;
}

void expect_imported(const std::vector<ImportedTrial>& trials) {
  ASSERT_EQ(trials.size(), 3u) << "a running trial is not imported";
  const auto all = rows();
  for (std::size_t i = 0; i < trials.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(trials[i].parameters, all[i].trial.parameters);
    EXPECT_EQ(trials[i].state, all[i].trial.state);
    EXPECT_EQ(trials[i].metrics, all[i].trial.metrics);
    EXPECT_EQ(trials[i].reason, all[i].trial.reason);
  }
}

TEST(Exchange, JsonLinesComeBackAsTheyWent) {
  std::string text;
  for (const auto& row : rows()) text += dump(row_json(row)) + "\n";
  const auto trials = trials_from_jsonl(text, spec());
  expect_imported(trials);
  EXPECT_EQ(trials[0].key, "k0");
  ASSERT_EQ(trials[1].reports.size(), 2u);
  EXPECT_EQ(trials[1].reports[1].first, 3);
  EXPECT_EQ(trials[1].reports[1].second.at("loss"), 0.8);
}

TEST(Exchange, CsvIsGolden) {
  EXPECT_EQ(rows_csv(rows(), spec()),
            "trial,state,x,kind,depth,loss,metric.x,step,reason\n"
            "0,completed,0.25,\"a,b\",,0.1,9,,\n"
            "1,stopped,1,c,2,0.8,,3,rank 2 of 2\n"
            "2,failed,0.5,\"a,b\",,,,,\"exit \"\"code\"\" 1\"\n"
            "3,running,0.75,\"a,b\",,,,,\n");
}

TEST(Exchange, CsvComesBackWithLastReports) {
  const auto trials = trials_from_csv(rows_csv(rows(), spec()), spec());
  expect_imported(trials);
  ASSERT_EQ(trials[1].reports.size(), 1u);
  EXPECT_EQ(trials[1].reports[0].first, 3);
  EXPECT_EQ(trials[1].reports[0].second.at("loss"), 0.8);
}

TEST(Exchange, BareLinesAreEnough) {
  const auto trials = trials_from_jsonl(
      R"({"parameters": {"x": 1, "kind": "c", "depth": 2}, "metrics": {"loss": 3}})", spec());
  ASSERT_EQ(trials.size(), 1u);
  EXPECT_TRUE(same_value(trials[0].parameters.at("x"), 1.0)) << "an integer where a real is meant";
  EXPECT_EQ(trials_from_csv("loss,kind,x\n3,\"a,b\",0.5\n", spec()).size(), 1u);
}

TEST(Exchange, ErrorsNameTheLine) {
  const auto jsonl = [](const std::string& text) -> std::string {
    try {
      trials_from_jsonl(text, spec());
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  const auto csv = [](const std::string& text) -> std::string {
    try {
      trials_from_csv(text, spec());
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  const std::string good = R"({"parameters": {"x": 1, "kind": "a,b"}, "metrics": {"loss": 3}})";
  EXPECT_EQ(jsonl(good), "");
  EXPECT_THAT(jsonl(good + "\n\n{"), HasSubstr("line 3: "));
  EXPECT_THAT(jsonl("7"), HasSubstr("line 1: expected an object with \"parameters\""));
  EXPECT_THAT(jsonl(R"({"parameters": {"x": 2, "kind": "c", "depth": 2}, "metrics": {"loss": 3}})"),
              HasSubstr("line 1: "));
  EXPECT_THAT(jsonl(R"({"parameters": {"x": 1, "kind": "a,b"}, "metrics": {"acc": 3}})"),
              HasSubstr("a completed trial without a value of \"loss\""));
  EXPECT_THAT(jsonl(R"({"state": "done", "parameters": {"x": 1, "kind": "a,b"}})"),
              HasSubstr("state is \"done\""));
  EXPECT_THAT(jsonl(R"({"state": 3, "parameters": {"x": 1, "kind": "a,b"}})"), HasSubstr("line 1: "));
  EXPECT_THAT(csv(""), HasSubstr("a header is missing"));
  EXPECT_THAT(csv("x,kind,loss\n1,c\n"), HasSubstr("line 2: 2 fields, the header has 3"));
  EXPECT_THAT(csv("x,kind,loss\n1,\"a,b\",low\n"), HasSubstr("line 2: metric \"loss\": found \"low\""));
}

TEST(SortByObjective, PutsTheBestFirstAndTheRestLast) {
  auto all = rows();
  all[2].trial.state = TrialState::completed;
  all[2].trial.metrics = {{"loss", 0.05}};
  sort_by_objective(all, {"loss", Direction::minimize});
  EXPECT_EQ(all[0].trial.number, 2);
  EXPECT_EQ(all[1].trial.number, 0);
  EXPECT_EQ(all[2].trial.number, 1);
  sort_by_objective(all, {"loss", Direction::maximize});
  EXPECT_EQ(all[0].trial.number, 0);
}

}  // namespace
}  // namespace krigon::cli
