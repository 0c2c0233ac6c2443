#include "cli/csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

std::vector<std::vector<std::string>> fields(std::string_view text) {
  std::vector<std::vector<std::string>> all;
  for (const auto& record : parse_csv(text)) all.push_back(record.fields);
  return all;
}

using Rows = std::vector<std::vector<std::string>>;

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(csv_line({"a", "b,c", "say \"x\"", "two\nlines", "", " blank"}),
            "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",,\" blank\"\n");
}

TEST(Csv, ReadsWhatItWrites) {
  const Rows rows{{"a", "b,c", "say \"x\"", "two\r\nlines", ""}, {"1", "", "", "", "\""}};
  EXPECT_EQ(fields(csv_line(rows[0]) + csv_line(rows[1])), rows);
}

TEST(Csv, TakesBothLineEndsAndAMissingLast) {
  EXPECT_EQ(fields("a,b\r\n1,2\r\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(fields("a,b\n1,2"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(fields("a,\n"), (Rows{{"a", ""}}));
  EXPECT_EQ(fields("a,"), (Rows{{"a", ""}}));
  EXPECT_EQ(fields("\n\na\n\n"), (Rows{{"a"}}));
  EXPECT_EQ(fields("\"a\"\r\n\"b\"\r\n"), (Rows{{"a"}, {"b"}}));
  EXPECT_EQ(fields(""), Rows{});
}

TEST(Csv, KnowsTheLine) {
  const auto records = parse_csv("a\n\"x\ny\"\nb\n");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].line, 2u);
  EXPECT_EQ(records[2].line, 4u);
}

TEST(Csv, RefusesBrokenQuotes) {
  const auto error = [](std::string_view text) -> std::string {
    try {
      parse_csv(text);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error("a\n\"b"), "line 2: a quoted field does not end");
  EXPECT_EQ(error("a\n\"b\"c\n"), "line 2: text after a quoted field's end");
}

}  // namespace
}  // namespace krigon::cli
