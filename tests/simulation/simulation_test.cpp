#include <gtest/gtest.h>

#include "simulation/shrink.hpp"

namespace krigon::simulation {
namespace {

TEST(Simulation, TheSameSeedIsTheSameHistory) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const Plan plan = make_plan(seed);
    const Chronicle first = run_history(plan), second = run_history(plan);
    EXPECT_EQ(first.digest, second.digest);
    EXPECT_EQ(first.events, second.events);
    EXPECT_NE(first.digest, run_history(make_plan(seed + 100)).digest);
  }
}

}  // namespace
}  // namespace krigon::simulation
