#include "scheduler/sorted_values.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace krigon::detail {
namespace {

TEST(Sorted, AgreesWithASortedVectorOverManyBlocks) {
  Random random(1, 0, Purpose::random_sampler);
  Sorted<double> values;
  std::vector<double> plain;
  for (int i = 0; i < 6000; ++i) {
    if (!plain.empty() && random.uniform() < (i < 4000 ? 0.2 : 0.7)) {
      const double gone = plain[random.below(plain.size())];
      values.erase(gone);
      plain.erase(std::lower_bound(plain.begin(), plain.end(), gone));
    } else {
      const auto value = static_cast<double>(random.below(500));  // many equal ones
      values.insert(value);
      plain.insert(std::upper_bound(plain.begin(), plain.end(), value), value);
    }
    ASSERT_EQ(values.size(), plain.size());
    const auto probe = static_cast<double>(random.below(510)) - 4.5;
    for (const double at : {probe, probe + 0.5}) {
      ASSERT_EQ(values.below(at), std::lower_bound(plain.begin(), plain.end(), at) - plain.begin()) << i;
    }
    if (plain.empty()) continue;
    const std::size_t rank = random.below(plain.size());
    ASSERT_EQ(values.at(rank), plain[rank]) << i;
  }
  EXPECT_THROW(values.at(values.size()), std::out_of_range);
}

}  // namespace
}  // namespace krigon::detail
