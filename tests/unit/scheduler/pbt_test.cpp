#include "scheduler/pbt.hpp"

#include <set>

#include <gtest/gtest.h>

#include "fed_rule.hpp"

namespace krigon {
namespace {

class Pbt : public FedRule<PbtScheduler> {
 protected:
  Pbt() : FedRule(PbtScheduler(options())) {}
  static EarlyStopping options() {
    EarlyStopping o;
    o.type = "pbt";
    o.population = 8;
    o.interval = 5;
    o.max_steps = 50;
    o.resample = 0.125;
    return o;
  }
  /// All eight to a step, the worst last: losses rise with the number.
  void all_to(std::int64_t step) {
    for (std::int64_t trial = 0; trial < 8; ++trial) {
      scheduler.observe_state(trial, TrialState::running, -1, -1);
      scheduler.observe(trial, 1, step, static_cast<double>(trial));
    }
  }
  void stop(std::int64_t trial) { scheduler.observe_state(trial, TrialState::stopped, -1, -1); }
};

TEST_F(Pbt, TheWorstQuarterIsStoppedAtEachInterval) {
  all_to(4);
  for (std::int64_t trial = 0; trial < 8; ++trial) {
    EXPECT_EQ(scheduler.judge(trial).verdict, Verdict::go_on) << "no interval has passed";
  }
  all_to(5);
  for (std::int64_t trial = 0; trial < 8; ++trial) {
    EXPECT_EQ(scheduler.judge(trial).verdict == Verdict::stop, trial >= 6) << trial;
  }
  EXPECT_TRUE(report(7, 6, 99).basis.is_null()) << "once an interval";
}

TEST_F(Pbt, ACloneOfOneOfTheBestTakesThePlace) {
  all_to(5);
  EXPECT_EQ(scheduler.continuation(), std::nullopt);
  stop(7);
  const auto said = scheduler.continuation();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->kind, Continuation::Kind::clone);
  EXPECT_LT(said->trial, 2);
  EXPECT_EQ(said->replaces, 7);
  EXPECT_EQ(said->resample, 0.125);
  report(0, 10, 50);
  EXPECT_EQ(scheduler.continuation()->trial, said->trial) << "the same until it is followed";
  scheduler.observe_state(8, TrialState::running, said->trial, 7);
  EXPECT_EQ(scheduler.continuation(), std::nullopt);
}

TEST_F(Pbt, TheBestQuarterTakeTurnsAsParents) {
  for (std::int64_t trial = 0; trial < 40; ++trial)
    scheduler.observe(trial, 1, 5, static_cast<double>(trial));
  std::set<std::int64_t> parents;
  for (std::int64_t gone = 20; gone < 40; ++gone) {
    stop(gone);
    const auto said = scheduler.continuation();
    ASSERT_TRUE(said);
    EXPECT_LT(said->trial, 10);
    parents.insert(said->trial);
    scheduler.observe_state(100 + gone, TrialState::running, said->trial, gone);
  }
  EXPECT_GE(parents.size(), 5u);
}

TEST_F(Pbt, AParentThatHasEndedIsNone) {
  all_to(5);
  stop(7);
  const auto first = scheduler.continuation()->trial;
  scheduler.observe_state(first, TrialState::failed, -1, -1);
  const auto second = scheduler.continuation();
  ASSERT_TRUE(second);
  EXPECT_NE(second->trial, first);
  EXPECT_EQ(second->replaces, 7);
}

TEST_F(Pbt, WithoutAParentNobodyIsStopped) {
  for (std::int64_t trial = 0; trial < 8; ++trial) {
    scheduler.observe(trial, 1, 5, static_cast<double>(trial));
    if (trial < 7) scheduler.observe_state(trial, TrialState::completed, -1, -1);
  }
  EXPECT_EQ(scheduler.judge(7).verdict, Verdict::go_on);
  EXPECT_EQ(scheduler.judge(7).basis.at("better"), 7);
}

TEST_F(Pbt, ThePopulationHasASize) {
  EXPECT_TRUE(scheduler.takes_new(7));
  EXPECT_FALSE(scheduler.takes_new(8));
  all_to(5);
  scheduler.observe_state(3, TrialState::failed, -1, -1);
  EXPECT_TRUE(scheduler.takes_new(8)) << "a place is free again";
  EXPECT_FALSE(scheduler.takes_new(9));
  EXPECT_EQ(scheduler.continuation(), std::nullopt) << "who failed is not cloned for";
  stop(7);
  EXPECT_FALSE(scheduler.takes_new(9)) << "that one's place is its clone's";
  scheduler.observe_state(9, TrialState::running, 0, 7);
  EXPECT_FALSE(scheduler.takes_new(10));
}

TEST_F(Pbt, ACloneIsComparedAfterAnIntervalOfItsOwn) {
  all_to(10);
  scheduler.observe_state(8, TrialState::running, 0, 7);
  EXPECT_TRUE(report(8, 13, 99).basis.is_null()) << "it began at step 13, from the parent's checkpoint";
  all_to(15);
  EXPECT_EQ(report(8, 15, 99).verdict, Verdict::stop);
}

TEST_F(Pbt, WhoBeginsAnewIsComparedAtItsOwnStep) {
  for (std::int64_t step = 5; step <= 20; step += 5) all_to(step);
  scheduler.observe_state(8, TrialState::running, 0, 7);
  const auto judgement = report(8, 5, 3.5);
  EXPECT_EQ(judgement.basis.at("others"), 8);
  EXPECT_EQ(judgement.basis.at("better"), 4);
  EXPECT_EQ(judgement.verdict, Verdict::go_on);
}

TEST_F(Pbt, ANewAttemptTakesBackItsComparisonsFromItsFirstStepOn) {
  all_to(5);
  all_to(10);
  scheduler.observe(7, 2, 8, 0.0);
  EXPECT_EQ(report(0, 11, 0).basis, nullptr);
  EXPECT_EQ(report(8, 10, 0.5).basis.at("others"), 7) << "at step 10 seven are left";
  EXPECT_EQ(report(9, 5, 0.5).basis.at("others"), 8) << "at step 5 all stand";
}

}  // namespace
}  // namespace krigon
