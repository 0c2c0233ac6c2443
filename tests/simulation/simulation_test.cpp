#include <algorithm>
#include <cctype>
#include <map>
#include <ostream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "simulation/shrink.hpp"

namespace krigon::simulation {
namespace {

TEST(Simulation, TheSameSeedIsTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Chronicle first = run_history(make_plan(seed)), second = run_history(make_plan(seed));
    EXPECT_EQ(first.digest, second.digest);
    EXPECT_EQ(first.events, second.events);
    EXPECT_EQ(first.happened, second.happened);
    EXPECT_NE(first.digest, run_history(make_plan(seed + 100)).digest);
  }
}

TEST(Simulation, APlanIsReadAsItWasWritten) {
  const Plan plan = make_plan(12);
  const Plan read = plan_from_json(nlohmann::json::parse(to_json(plan).dump()));
  EXPECT_EQ(to_json(read), to_json(plan));
  EXPECT_EQ(run_history(read).digest, run_history(plan).digest);
}

TEST(Simulation, WithAllProtectionsNothingBreaks) {
  std::map<Rule, std::int64_t> histories, pauses, clones;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Plan plan = make_plan(seed);
    const Chronicle history = run_history(plan);
    ASSERT_FALSE(history.violation) << describe(plan, history);
    EXPECT_GE(history.workers, 20);
    EXPECT_GE(history.trials, 200);
    std::int64_t faults = 0;
    for (int kind = 0; kind < kFaultKinds; ++kind) {
      if (!by_person(static_cast<FaultKind>(kind)))
        faults += history.faults.at(static_cast<std::size_t>(kind));
    }
    EXPECT_GE(faults, 10);
    ++histories[plan.rule];
    pauses[plan.rule] += history.pauses;
    clones[plan.rule] += history.clones;
  }
  for (const Rule rule : {Rule::moody, Rule::asha, Rule::pbt}) {
    EXPECT_GE(histories[rule], 10) << to_string(rule);
    EXPECT_EQ(pauses[rule] > 10 * histories[rule], rule == Rule::moody) << pauses[rule];
    EXPECT_EQ(clones[rule] > 10 * histories[rule], rule == Rule::pbt) << clones[rule];
  }
}

struct Case {
  Protection without;
  const char* breaks;  ///< the invariant that is seen to break
};

std::ostream& operator<<(std::ostream& out, const Case& tested) {
  return out << "breaks: " << tested.breaks;
}

class WithoutAProtection : public ::testing::TestWithParam<Case> {};

// What a person would be shown is found soon, is short, and is due to what was undone alone.
TEST_P(WithoutAProtection, TheSimulationFailsAndShrinks) {
  const Options options{GetParam().without, nullptr};
  std::uint64_t seed = 1;
  // What is undone may be seen by more than one of its consequences: this one is meant.
  const auto breaks = [&](std::uint64_t s) {
    const auto violation = run_history(make_plan(s), options).violation;
    return violation && violation->invariant == GetParam().breaks;
  };
  while (seed <= 100 && !breaks(seed)) ++seed;
  ASSERT_LE(seed, 100U) << "nothing broke";
  const Shrunk shrunk = shrink(make_plan(seed), options);
  fmt::print("without {}: seed {}, shrunk in {} runs from {} events to {}\n{}", to_string(GetParam().without),
             seed, shrunk.runs, make_plan(seed).faults.size(), shrunk.plan.faults.size(),
             describe(shrunk.plan, shrunk.history));
  ASSERT_TRUE(shrunk.history.violation);
  EXPECT_EQ(shrunk.history.violation->invariant, GetParam().breaks);
  EXPECT_LE(shrunk.plan.faults.size(), 10U);
  const Plan replayed = plan_from_json(to_json(shrunk.plan));
  EXPECT_EQ(run_history(replayed, options).digest, shrunk.history.digest);
  EXPECT_FALSE(run_history(shrunk.plan).violation);
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, WithoutAProtection,
    ::testing::Values(Case{Protection::fencing, "no word of a superseded attempt counts"},
                      Case{Protection::first_tell, "what was told stands"},
                      Case{Protection::one_suggester, "only the suggester proposes"},
                      Case{Protection::store_clock, "no trial is taken while its lease holds"},
                      Case{Protection::fresh_proposals, "a proposal knows every trial before it"},
                      Case{Protection::budget_at_lease, "no more is begun than the budget allows"},
                      Case{Protection::keys, "a key makes one trial"},
                      Case{Protection::recovery, "the study ends"},
                      Case{Protection::silence, "the study ends"}),
    [](const auto& tested) {
      std::string name(to_string(tested.param.without));
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

}  // namespace
}  // namespace krigon::simulation
