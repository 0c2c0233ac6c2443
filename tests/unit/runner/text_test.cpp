#include "runner/text.hpp"

#include <gtest/gtest.h>

namespace krigon::detail {
namespace {

TEST(Text, Printable) {
  EXPECT_EQ(printable("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(printable("10%\r20%\r\n"), "10%\n20%\n");
  EXPECT_EQ(printable("\u00e9\u20ac\U0001F600"), "\u00e9\u20ac\U0001F600");
  EXPECT_EQ(printable("\x1b[1m"), "\uFFFD[1m");
  EXPECT_EQ(printable("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(printable("\xc0\xaf"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\uFFFD");
}

TEST(Text, Excerpt) {
  EXPECT_EQ(excerpt("short"), "short");
  EXPECT_EQ(excerpt("a\nb", 10), "a b");
  EXPECT_EQ(excerpt(std::string(100, 'x'), 5), "xxxxx...");
}

TEST(Text, LastLines) {
  EXPECT_EQ(last_lines("one\ntwo\n\n", 100), "one\ntwo");
  EXPECT_EQ(last_lines("one\ntwo\nthree\n", 9), "two\nthree");
  EXPECT_EQ(last_lines("one\ntwo\nthree\n", 8), "three");
  EXPECT_EQ(last_lines("aaaaaaaaaa", 4), "aaaa");            // one long line: its end
  EXPECT_EQ(last_lines("\u20ac\u20ac\u20ac", 4), "\u20ac");  // never half a character
  EXPECT_EQ(last_lines("", 4), "");
}

}  // namespace
}  // namespace krigon::detail
