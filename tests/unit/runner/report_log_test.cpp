#include "runner/report_log.hpp"

#include <gmock/gmock.h>

namespace krigon::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Metrics added(ReportLog& log, const std::string& line) {
  const auto report = log.add(line);
  return report ? report->second : Metrics{};
}

TEST(ReportLog, StepsRise) {
  ReportLog log("a");
  EXPECT_EQ(added(log, R"({"step": 2, "a": 1, "b": 5})"), (Metrics{{"a", 1}, {"b", 5}}));
  EXPECT_EQ(added(log, R"({"step": 3, "a": 2})"), (Metrics{{"a", 2}}));
  EXPECT_EQ(added(log, R"({"step": 3, "b": 6})"), (Metrics{{"b", 6}}));  // each metric by itself
  EXPECT_THAT(log.warnings(), IsEmpty());
  EXPECT_THAT(added(log, R"({"step": 1, "a": 0})"), IsEmpty());
  EXPECT_THAT(added(log, R"({"step": 3, "a": 9})"), IsEmpty());
  ASSERT_EQ(log.warnings().size(), 2u);
  EXPECT_THAT(log.warnings()[0], HasSubstr("report line 4 set aside: step 1 of a comes after step 3"));
  EXPECT_THAT(log.warnings()[1], HasSubstr("a at step 3 was 2 before"));
  EXPECT_EQ(log.result().metrics, (Metrics{{"a", 2}, {"b", 6}}));
}

TEST(ReportLog, EqualRepeatsAreNoOps) {
  ReportLog log("a");
  for (int round = 0; round < 2; ++round) {
    for (int step = 1; step <= 3; ++step) {
      const auto metrics =
          added(log, "{\"step\": " + std::to_string(step) + ", \"a\": 0." + std::to_string(step) + "}");
      EXPECT_EQ(metrics.empty(), round == 1);
    }
  }
  EXPECT_THAT(log.warnings(), IsEmpty());
}

TEST(ReportLog, FinalReportsWinAndAddUp) {
  ReportLog log("a");
  log.add(R"({"step": 9, "a": 1, "c": 7})");
  log.add(R"({"a": 2, "b": 3})");
  log.add(R"({"a": 4})");
  EXPECT_EQ(log.result().metrics, (Metrics{{"a", 4}, {"b", 3}}));
  ReportLog other("a");
  other.add(R"({"step": 8, "c": 6})");
  other.add(R"({"step": 9, "a": 1, "c": 7})");
  other.add(R"({"step": 10, "d": 7})");
  other.add(R"({"b": 3})");
  EXPECT_EQ(other.result().metrics, (Metrics{{"a", 1}, {"b", 3}, {"c", 7}}));
}

TEST(ReportLog, NotFiniteObjective) {
  ReportLog log("a");
  log.add(R"({"step": 1, "a": 1})");
  log.add(R"({"step": 2, "a": NaN, "b": 1})");
  EXPECT_THAT(log.result().problem, HasSubstr("not a finite number at step 2"));
  log.add(R"({"step": 3, "a": 2})");
  EXPECT_THAT(log.result().problem, IsEmpty());
  log.add(R"({"a": Infinity})");
  EXPECT_THAT(log.result().problem, HasSubstr("the final value of 'a'"));
  log.add(R"({"a": 3})");
  EXPECT_EQ(log.result().metrics.at("a"), 3);
  ReportLog other("a");
  other.add(R"({"a": 1, "b": NaN})");
  EXPECT_THAT(other.result().problem, IsEmpty());
  EXPECT_THAT(other.warnings(), ElementsAre(HasSubstr("b is not a finite number")));
}

TEST(ReportLog, NothingReported) {
  EXPECT_THAT(ReportLog("a").result().problem, HasSubstr("without reporting 'a'"));
  ReportLog log("a");
  log.add(R"({"accuracy": 1})");
  log.add("accuracy 1");
  log.add("");
  EXPECT_THAT(log.result().problem,
              HasSubstr("it reported 'accuracy'; report line 2 set aside: not JSON: accuracy 1"));
}

}  // namespace
}  // namespace krigon::detail
