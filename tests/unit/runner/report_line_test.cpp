#include "runner/report_line.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>

#include "krigon/error.hpp"
#include "runner_fixture.hpp"

namespace krigon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ReportLine good(const std::string& line) {
  auto parsed = parse_report_line(line);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    ADD_FAILURE() << line << ": " << *wrong;
    return {};
  }
  return std::get<ReportLine>(parsed);
}

std::string bad(const std::string& line) {
  const auto parsed = parse_report_line(line);
  const auto* wrong = std::get_if<std::string>(&parsed);
  return wrong != nullptr ? *wrong : "accepted";
}

TEST(ReportLine, Numbers) {
  EXPECT_EQ(good(R"({"step": 3, "accuracy": 0.91})").step, 3);
  EXPECT_EQ(good(R"({"step": 3, "accuracy": 0.91})").metrics, (Metrics{{"accuracy", 0.91}}));
  EXPECT_EQ(good(" {\"accuracy\":1,\"loss\":-2e-3}\r").metrics, (Metrics{{"accuracy", 1}, {"loss", -2e-3}}));
  EXPECT_FALSE(good(R"({"accuracy": 1})").step);
  EXPECT_EQ(good(R"({"step": 3.0, "a": 1})").step, 3);
  EXPECT_EQ(good(R"({"a": 18446744073709551615})").metrics.at("a"), 18446744073709551615.0);
  EXPECT_EQ(good(R"({"a": 1e-400})").metrics.at("a"), 0.0);
  EXPECT_EQ(good("{\"a\\u00e9\\\"}\": 1}").metrics.at("a\u00e9\"}"), 1);
  EXPECT_EQ(good(R"({"a": 1, "a": 2})").metrics.at("a"), 2);
}

TEST(ReportLine, NotFinite) {
  for (const char* value :
       {"NaN", "nan", "-nan", "Infinity", "-Infinity", "inf", "-inf", "null", "1e400", "-1e999"}) {
    const auto line = good(std::string(R"({"step": 1, "loss": 2, "accuracy": )") + value + "}");
    EXPECT_EQ(line.metrics, (Metrics{{"loss", 2}})) << value;
    EXPECT_THAT(line.not_finite, ElementsAre("accuracy")) << value;
  }
  EXPECT_THAT(good(R"({"accuracy": NaN})").not_finite, ElementsAre("accuracy"));
  // Words in names are left alone.
  EXPECT_EQ(good(R"({"NaN": 1, "a \"inf\" b": 2})").metrics.size(), 2u);
}

TEST(ReportLine, SaysWhatIsWrong) {
  EXPECT_EQ(bad(""), "not JSON");
  EXPECT_EQ(bad("hello"), "not JSON");
  EXPECT_THAT(bad(R"({"accuracy": 0.9)"), HasSubstr("not JSON at column"));
  EXPECT_THAT(bad(R"({"accuracy": 0.9} {"accuracy": 1})"), HasSubstr("not JSON at column"));
  EXPECT_EQ(bad("[1, 2]"), "not a JSON object");
  EXPECT_EQ(bad("3"), "not a JSON object");
  EXPECT_EQ(bad("null"), "not a JSON object");
  EXPECT_EQ(bad("NaN"), "not a JSON object");
  EXPECT_EQ(bad("{}"), "no metric in it");
  EXPECT_EQ(bad(R"({"step": 3})"), "no metric in it");
  EXPECT_EQ(bad(R"({"step": 0, "a": 1})"), "the step is 0; steps count from 1");
  EXPECT_EQ(bad(R"({"step": -1, "a": 1})"), "the step is -1; steps count from 1");
  EXPECT_EQ(bad(R"({"step": 1.5, "a": 1})"), "the step 1.5 is not a whole number");
  EXPECT_EQ(bad(R"({"step": null, "a": 1})"), "the step is not a whole number");
  EXPECT_EQ(bad(R"({"step": "3", "a": 1})"), "\"step\" is \"3\", not a number");
  EXPECT_EQ(bad(R"({"step": 9223372036854775808, "a": 1})"), "the step is beyond 2^63");
  EXPECT_EQ(bad(R"({"a": {"b": 1}})"), "\"a\" is an object, not a number");
  EXPECT_EQ(bad(R"({"a": [1]})"), "\"a\" is an array, not a number");
  EXPECT_EQ(bad(R"({"a": true})"), "\"a\" is true, not a number");
  EXPECT_EQ(bad(R"({"a": "0.5"})"), "\"a\" is \"0.5\", not a number");
  EXPECT_THAT(bad(R"({"": 1})"), HasSubstr("cannot be a metric's name"));
  EXPECT_THAT(bad("{\"" + std::string(201, 'x') + "\": 1}"), HasSubstr("cannot be a metric's name"));
  EXPECT_THAT(bad(R"({"a\u0000": 1})"), HasSubstr("cannot be a metric's name"));
  EXPECT_THAT(bad("{\"a\xff\": 1}"), HasSubstr("not JSON"));
  EXPECT_EQ(bad(std::string(kLongestReportLine + 1, ' ')), "longer than 65536 bytes");
}

TEST(ReportLine, DepthAndRubbishAreHarmless) {
  EXPECT_EQ(bad(std::string(60'000, '[')), "not a JSON object");
  EXPECT_EQ(bad("{\"a\":" + std::string(60'000, '[')), "\"a\" is an array, not a number");
  EXPECT_NE(bad("{\"a\": \"\\"), "accepted");
  EXPECT_NE(bad(std::string("{\"a\0", 4)), "accepted");
  std::mt19937 random(7);
  const std::string alphabet = "{}[]\":,\\ 0123456789.eE+-NaIfinitystep\xff\xc3\x80\n";
  for (int i = 0; i < 50'000; ++i) {
    std::string line = i % 2 == 0 ? R"({"step": 3, "accuracy": 0.91})" : "";
    const int edits = 1 + static_cast<int>(random() % 20);
    for (int e = 0; e < edits; ++e) {
      const char c = alphabet[random() % alphabet.size()];
      line.insert(line.begin() + static_cast<std::ptrdiff_t>(random() % (line.size() + 1)), c);
    }
    const auto parsed = parse_report_line(line);
    if (const auto* report = std::get_if<ReportLine>(&parsed)) {
      EXPECT_FALSE(report->metrics.empty() && report->not_finite.empty());
      for (const auto& [name, value] : report->metrics) EXPECT_TRUE(std::isfinite(value)) << line;
      EXPECT_GE(report->step.value_or(1), 1);
    } else {
      EXPECT_FALSE(std::get<std::string>(parsed).empty());
    }
  }
}

class AppendReport : public testing::FolderTest {};

TEST_F(AppendReport, IsReadBack) {
  const Metrics metrics = {{"accuracy", 0.1}, {"a \"b\"\u00e9", -1e300}, {"z", 3}};
  EXPECT_EQ(good(format_report_line(7, metrics)).metrics, metrics);
  EXPECT_EQ(good(format_report_line(7, metrics)).step, 7);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(good(format_report_line({}, {{"accuracy", nan}})).not_finite, ElementsAre("accuracy"));
}

TEST_F(AppendReport, RefusesWhatWouldNotBeRead) {
  const auto file = folder_ / "report.jsonl";
  EXPECT_THROW(append_report(file, 0, {{"a", 1}}), UsageError);
  EXPECT_THROW(append_report(file, 1, {}), UsageError);
  EXPECT_THROW(append_report(file, 1, {{"", 1}}), UsageError);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_THROW(append_report(folder_ / "no/such/file", 1, {{"a", 1}}), EnvironmentError);
}

}  // namespace
}  // namespace krigon
