#include "config/scalar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace krigon::detail {
namespace {

using ::testing::HasSubstr;

Node scalar(std::string text, bool in_quotes = false) {
  return {Node::Kind::scalar, in_quotes, 1, std::move(text), {}, {}};
}

Value value_of(const std::string& text) {
  const Scalar s = scalar_value(scalar(text));
  EXPECT_EQ(s.why, "") << text;
  return s.value;
}

TEST(ScalarValue, SpellingMakesTheType) {
  EXPECT_TRUE(same_value(value_of("1"), std::int64_t{1}));
  EXPECT_TRUE(same_value(value_of("-12"), std::int64_t{-12}));
  EXPECT_TRUE(same_value(value_of("+5"), std::int64_t{5}));
  EXPECT_TRUE(same_value(value_of("0"), std::int64_t{0}));
  EXPECT_TRUE(same_value(value_of("9223372036854775807"), INT64_MAX));
  EXPECT_TRUE(same_value(value_of("-9223372036854775808"), INT64_MIN));
  EXPECT_TRUE(same_value(value_of("0x1f"), std::int64_t{31}));
  EXPECT_TRUE(same_value(value_of("-0x10"), std::int64_t{-16}));
  EXPECT_TRUE(same_value(value_of("1.0"), 1.0));
  EXPECT_TRUE(same_value(value_of("1e-5"), 1e-5));
  EXPECT_TRUE(same_value(value_of("1E5"), 1e5));
  EXPECT_TRUE(same_value(value_of(".5"), 0.5));
  EXPECT_TRUE(same_value(value_of("5."), 5.0));
  EXPECT_TRUE(same_value(value_of("-0.0"), -0.0));
  EXPECT_TRUE(same_value(value_of("true"), true));
  EXPECT_TRUE(same_value(value_of("False"), false));
}

TEST(ScalarValue, AllElseIsText) {
  for (const char* text :
       {"yes", "no", "on", "off", "tRUE", "inf",   "nan", "1_000",      "12:30", "1e", "e5",
        ".",   "-",  "+",  "0x",  "0xg",  "1.2.3", "--1", "2024-01-01", "",      "0b", "1e5x"}) {
    EXPECT_TRUE(same_value(value_of(text), std::string(text))) << text;
  }
  EXPECT_TRUE(same_value(scalar_value(scalar("5", true)).value, std::string("5")));
  EXPECT_TRUE(same_value(scalar_value(scalar("true", true)).value, std::string("true")));
}

TEST(ScalarValue, RefusesWhatNoTwoReadersAgreeOn) {
  EXPECT_THAT(scalar_value(scalar("007")).why, HasSubstr("write 7"));
  EXPECT_THAT(scalar_value(scalar("00")).why, HasSubstr("write 0"));
  EXPECT_THAT(scalar_value(scalar("0o17")).why, HasSubstr("decimal"));
  EXPECT_THAT(scalar_value(scalar("0b11")).why, HasSubstr("decimal"));
  EXPECT_THAT(scalar_value(scalar(".inf")).why, HasSubstr("finite"));
  EXPECT_THAT(scalar_value(scalar("-.INF")).why, HasSubstr("finite"));
  EXPECT_THAT(scalar_value(scalar(".nan")).why, HasSubstr("finite"));
  EXPECT_THAT(scalar_value(scalar("1e999")).why, HasSubstr("range"));
  EXPECT_THAT(scalar_value(scalar("9223372036854775808")).why, HasSubstr("range"));
  EXPECT_THAT(scalar_value(scalar("0x8000000000000000")).why, HasSubstr("range"));
}

TEST(Durations, AreNumbersWithUnits) {
  const auto ms = [](const char* text) {
    const auto value = parse_duration(text);
    return value ? value->count() : -1;
  };
  EXPECT_EQ(ms("10m"), 600'000);
  EXPECT_EQ(ms("1h30m"), 5'400'000);
  EXPECT_EQ(ms("1.5h"), 5'400'000);
  EXPECT_EQ(ms("45s"), 45'000);
  EXPECT_EQ(ms("2d"), 172'800'000);
  EXPECT_EQ(ms("250ms"), 250);
  EXPECT_EQ(ms("90"), 90'000);
  EXPECT_EQ(ms("2.5"), 2'500);
  EXPECT_EQ(ms("1d2h3m4s5ms"), 93'784'005);
  EXPECT_EQ(ms("0"), 0);
  for (const char* wrong : {"", "m", "10 m", "-1s", "1m1h", "1m1m", "1h30", "10min", "1:30", "1e3", "1.s",
                            "1..5s", "99999999d", "٣m"}) {
    EXPECT_EQ(ms(wrong), -1) << wrong;
  }
}

TEST(Sizes, ArePowersOf1024) {
  EXPECT_EQ(parse_size("4G"), std::uint64_t{4} << 30);
  EXPECT_EQ(parse_size("512M"), std::uint64_t{512} << 20);
  EXPECT_EQ(parse_size("64k"), std::uint64_t{64} << 10);
  EXPECT_EQ(parse_size("1.5GiB"), std::uint64_t{3} << 29);
  EXPECT_EQ(parse_size("2TB"), std::uint64_t{2} << 40);
  EXPECT_EQ(parse_size("100"), 100U);
  EXPECT_EQ(parse_size("100B"), 100U);
  for (const char* wrong : {"", "G", "4 G", "-1G", "4Q", "1G2M", "4Gb", "99999999T", "."}) {
    EXPECT_EQ(parse_size(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace krigon::detail
