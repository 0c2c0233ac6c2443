#include "krigon/value.hpp"

#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

TEST(Value, PrintsAsACommandLineNeedsIt) {
  EXPECT_EQ(to_string(Value(true)), "true");
  EXPECT_EQ(to_string(Value(std::int64_t{-3})), "-3");
  EXPECT_EQ(to_string(Value(std::string("a b"))), "a b");
  EXPECT_EQ(to_string(Value(0.1)), "0.1");
  EXPECT_EQ(to_string(Value(1e-5)), "1e-05");
  EXPECT_EQ(to_string(Value(3.0)), "3");
}

TEST(Value, DoublesReadBackToTheSameBits) {
  for (const double v : {0.1, 1.0 / 3, 1e300, 5e-324, std::numeric_limits<double>::max(), -0.0}) {
    EXPECT_TRUE(same_value(Value(std::strtod(to_string(v).c_str(), nullptr)), Value(v))) << v;
  }
}

TEST(Value, SameMeansTypeAndBits) {
  EXPECT_FALSE(same_value(Value(1.0), Value(std::int64_t{1})));
  EXPECT_FALSE(same_value(Value(0.0), Value(-0.0)));
  EXPECT_TRUE(same_value(Value(std::string("x")), Value(std::string("x"))));
}

TEST(Value, TextIsNoNumber) {
  EXPECT_EQ(as_number(Value(true)), 1.0);
  EXPECT_THROW(as_number(Value(std::string("adam"))), SpaceError);
}

}  // namespace
}  // namespace krigon
