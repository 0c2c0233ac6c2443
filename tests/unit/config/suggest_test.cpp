#include "config/suggest.hpp"

#include <gtest/gtest.h>

namespace krigon::detail {
namespace {

const std::vector<std::string> kWords{"batch_size", "learning_rate", "layers", "min", "max"};

TEST(Nearest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(nearest("batchsize", kWords), "batch_size");
  EXPECT_EQ(nearest("batch-size", kWords), "batch_size");
  EXPECT_EQ(nearest("BATCH_SIZE", kWords), "batch_size");
  EXPECT_EQ(nearest("laerning_rate", kWords), "learning_rate");  // one swap
  EXPECT_EQ(nearest("mni", kWords), "min");
  EXPECT_EQ(nearest("layer", kWords), "layers");
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest("optimizer", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("x", kWords), "");
  EXPECT_EQ(nearest("min", {}), "");
  EXPECT_EQ(nearest(std::string(10'000, 'm'), kWords), "");
  EXPECT_EQ(nearest("a", {"b"}), "");
}

TEST(InQuotes, ShowsAnyTextOnOneShortLine) {
  EXPECT_EQ(in_quotes("abc"), "\"abc\"");
  EXPECT_EQ(in_quotes("a\"b\\c\nd\te\x01"), "\"a\\\"b\\\\c\\nd\\te\\x01\"");
  const std::string shown_text = in_quotes(std::string(1000, 'x'));
  EXPECT_LT(shown_text.size(), 80U);
  EXPECT_TRUE(shown_text.ends_with("...\""));
  // Never half of a character.
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\u00fc";
  EXPECT_EQ((in_quotes("x" + umlauts).size() - 6) % 2, 0U);
}

TEST(Listed, EndsInDotsWhereThereAreMany) {
  EXPECT_EQ(listed({"a", "b"}), "a, b");
  EXPECT_EQ(listed({"a", "b", "c"}, 2), "a, b, ...");
  EXPECT_EQ(listed({}), "");
}

}  // namespace
}  // namespace krigon::detail
