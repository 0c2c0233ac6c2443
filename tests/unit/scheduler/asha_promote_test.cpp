#include "scheduler/asha_promote.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace krigon {
namespace {

class AshaPromote : public testing::Test {
 protected:
  static EarlyStopping options() {
    EarlyStopping o;
    o.type = "asha";
    o.promote = true;
    o.max_steps = 27;
    return o;
  }
  void pauses(std::int64_t trial, std::int64_t step, double loss, std::int64_t attempt = 1) {
    scheduler.observe_state(trial, TrialState::running, -1, -1);
    scheduler.observe(trial, attempt, step, loss);
    EXPECT_EQ(scheduler.judge(trial).verdict, Verdict::pause) << trial;
    scheduler.observe_state(trial, TrialState::paused, -1, -1);
  }
  std::int64_t next() {
    const auto said = scheduler.continuation();
    return said ? said->trial : -1;
  }
  void resumes(std::int64_t trial) {
    EXPECT_EQ(next(), trial);
    scheduler.observe_state(trial, TrialState::running, -1, -1);
  }
  AshaPromoteScheduler scheduler{options()};
};

// Algorithm 2 by hand, eta = 3: with n entries the best floor(n / 3) may go up.
TEST_F(AshaPromote, PromotesTheBestOfTheTopThird) {
  pauses(0, 1, 0.5);
  pauses(1, 1, 0.4);
  EXPECT_EQ(next(), -1);
  pauses(2, 1, 0.6);
  resumes(1);
  EXPECT_EQ(next(), -1) << "one of three, and that was it";
  pauses(3, 1, 0.3);
  pauses(4, 1, 0.7);
  resumes(3);  // the best of five is not yet promoted, whoever was promoted before
  pauses(5, 1, 0.9);
  EXPECT_EQ(next(), -1) << "the best two of six are 3 and 1";
  pauses(6, 1, 0.35);
  resumes(6);
  pauses(7, 1, 0.8);
  pauses(8, 1, 0.95);
  EXPECT_EQ(next(), -1) << "the best three of nine are 3, 6 and 1";
}

TEST_F(AshaPromote, TheHighestRungComesFirst) {
  for (std::int64_t trial = 0; trial < 9; ++trial) pauses(trial, 1, static_cast<double>(trial));
  for (const std::int64_t trial : {0, 1, 2}) {
    resumes(trial);
    pauses(trial, 3, 10.0 - static_cast<double>(trial), 2);
  }
  for (std::int64_t trial = 9; trial < 12; ++trial) pauses(trial, 1, -1.0);
  const auto said = scheduler.continuation();
  EXPECT_EQ(said->trial, 2) << "the best at step 3";
  EXPECT_EQ(said->basis.at("rung"), 3);
}

TEST_F(AshaPromote, OfEqualsNoMoreThanAThirdIsPromoted) {
  for (std::int64_t trial = 0; trial < 6; ++trial) pauses(trial, 1, 0.5);
  resumes(0);
  resumes(1);
  EXPECT_EQ(next(), -1);
}

TEST_F(AshaPromote, WhoBeginsAnewIsLeftAloneUpToTheNextRungAndKeepsItsSeat) {
  for (std::int64_t trial = 0; trial < 3; ++trial) pauses(trial, 1, static_cast<double>(trial));
  resumes(0);
  for (std::int64_t step = 1; step < 3; ++step) {
    scheduler.observe(0, 2, step, 5.0);
    EXPECT_EQ(scheduler.judge(0).verdict, Verdict::go_on);
  }
  EXPECT_EQ(next(), -1) << "its seat was taken, whatever it says at step 1 now";
  scheduler.observe(0, 2, 3, 5.0);
  EXPECT_EQ(scheduler.judge(0).basis.at("rung"), 3);
}

TEST_F(AshaPromote, WhoIsGoneLeavesItsSeatUnlessItCompleted) {
  for (std::int64_t trial = 0; trial < 4; ++trial) pauses(trial, 1, static_cast<double>(trial));
  EXPECT_EQ(next(), 0);
  scheduler.observe_state(0, TrialState::cancelled, -1, -1);
  EXPECT_EQ(next(), 1) << "of the three that are left";
  scheduler.observe_state(1, TrialState::completed, -1, -1);
  EXPECT_EQ(next(), -1);
  scheduler.observe_state(1, TrialState::paused, -1, -1);  // cannot be: it has ended
  EXPECT_EQ(next(), -1);
}

TEST_F(AshaPromote, WhatRunsCannotBeTakenUp) {
  for (std::int64_t trial = 0; trial < 3; ++trial) scheduler.observe(trial, 1, 1, static_cast<double>(trial));
  EXPECT_EQ(next(), -1) << "told to pause, but nobody has";
  scheduler.observe_state(0, TrialState::paused, -1, -1);
  EXPECT_EQ(next(), 0);
}

TEST_F(AshaPromote, NothingPausesAtTheEnd) {
  scheduler.observe(0, 1, 27, 1.0);
  EXPECT_EQ(scheduler.judge(0).verdict, Verdict::go_on);
  scheduler.observe(1, 1, 9, 1.0);
  EXPECT_EQ(scheduler.judge(1).verdict, Verdict::pause);
  scheduler.observe(1, 1, 27, 1.0);  // it ran on
  EXPECT_EQ(scheduler.judge(1).verdict, Verdict::go_on);
}

// Paused at one rung, and at the next when somebody looks again.
TEST_F(AshaPromote, AStateThatLooksTheSameCanBeAnother) {
  for (std::int64_t trial = 0; trial < 3; ++trial) pauses(trial, 1, static_cast<double>(trial));
  EXPECT_EQ(next(), 0);
  scheduler.observe(0, 2, 3, 0.0);
  EXPECT_EQ(next(), -1) << "it was followed";
  scheduler.observe_state(0, TrialState::paused, -1, -1);
  for (std::int64_t trial = 3; trial < 5; ++trial) {
    scheduler.observe(trial, 1, 3, 1.0);
    scheduler.observe_state(trial, TrialState::paused, -1, -1);
  }
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(scheduler.continuation()->basis.at("rung"), 3);
}

}  // namespace
}  // namespace krigon
