#include "render/width.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width(""), 0u);
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("größe"), 5u);
  EXPECT_EQ(display_width("精度"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u) << "a combining accent";
  EXPECT_EQ(display_width("🚀"), 2u);
  EXPECT_EQ(display_width("━╸─"), 3u);
  EXPECT_EQ(display_width("\xff\xc3"), 2u) << "each broken byte is one";
}

TEST(Printable, LetsNoControlThrough) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\uFFFD[31mb");
  EXPECT_EQ(printable("tab\there\n"), "tab\uFFFDhere\uFFFD");
  EXPECT_EQ(printable("\u009b1m"), "\uFFFD1m") << "the one-character CSI";
  EXPECT_EQ(printable("\xc0\xaf\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD") << "overlong, surrogate";
  EXPECT_EQ(printable("größe 精度 🚀"), "größe 精度 🚀");
  EXPECT_EQ(printable("\xe2\x94"), "\uFFFD\uFFFD") << "cut short";
}

TEST(Truncate, CutsToColumns) {
  EXPECT_EQ(truncate("abcdef", 6), "abcdef");
  EXPECT_EQ(truncate("abcdef", 5), "abcd…");
  EXPECT_EQ(truncate("精度精度", 4), "精…") << "half a wide character is no character";
  EXPECT_EQ(truncate("精度精度", 8), "精度精度");
  EXPECT_EQ(truncate("abc", 1), "…");
  EXPECT_EQ(truncate("abc", 0), "");
}

}  // namespace
}  // namespace krigon
