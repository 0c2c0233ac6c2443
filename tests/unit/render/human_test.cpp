#include "render/human.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace krigon {
namespace {

TEST(HumanDuration, TakesTwoUnitsAtMost) {
  EXPECT_EQ(human_duration(0), "0.0 s");
  EXPECT_EQ(human_duration(-3), "0.0 s");
  EXPECT_EQ(human_duration(3.14), "3.1 s");
  EXPECT_EQ(human_duration(9.96), "10 s");
  EXPECT_EQ(human_duration(59.4), "59 s");
  EXPECT_EQ(human_duration(59.6), "1 min 00 s");
  EXPECT_EQ(human_duration(185), "3 min 05 s");
  EXPECT_EQ(human_duration(3599.7), "1 h 00 min");
  EXPECT_EQ(human_duration(7830), "2 h 10 min");
  EXPECT_EQ(human_duration(86400 * 3 + 3600 * 4.5), "3 d 04 h");
  EXPECT_EQ(human_duration(INFINITY), "?");
  EXPECT_EQ(human_duration(NAN), "?");
}

TEST(HumanNumber, DropsWhatSaysNothing) {
  EXPECT_EQ(human_number(0.9731612), "0.973161");
  EXPECT_EQ(human_number(350), "350");
  EXPECT_EQ(human_number(1.2e-5), "1.2e-05");
  EXPECT_EQ(human_number(12.3456, 3), "12.3");
  EXPECT_EQ(human_number(-0.5), "-0.5");
}

TEST(HumanBytes, CountsInThousands) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1500), "1.5 kB");
  EXPECT_EQ(human_bytes(999'900), "1 MB");
  EXPECT_EQ(human_bytes(64'000'000), "64 MB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "1.84e+07 TB");
}

TEST(HumanTime, IsUtc) {
  EXPECT_EQ(human_time(0), "-");
  EXPECT_EQ(human_time(1'767'225'599'999'999), "2025-12-31 23:59:59");
}

TEST(CountOf, KnowsThePlural) {
  EXPECT_EQ(count_of(0, "trial"), "0 trials");
  EXPECT_EQ(count_of(1, "trial"), "1 trial");
  EXPECT_EQ(count_of(2, "trial"), "2 trials");
}

}  // namespace
}  // namespace krigon
