#include "scheduler/hyperband.hpp"

#include <map>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace krigon {
namespace {

class Hyperband : public testing::Test {
 protected:
  static EarlyStopping options(std::int64_t max_steps, std::int64_t min_steps = 1, double reduction = 3) {
    EarlyStopping o;
    o.type = "hyperband";
    o.max_steps = max_steps;
    o.min_steps = min_steps;
    o.reduction = reduction;
    return o;
  }
  Verdict report(std::int64_t trial, std::int64_t step, double loss, std::int64_t attempt = 1) {
    scheduler.observe(trial, attempt, step, loss);
    const auto verdict = scheduler.judge(trial).verdict;
    if (verdict == Verdict::pause) scheduler.observe_state(trial, TrialState::paused, -1, -1);
    return verdict;
  }
  std::int64_t next() {
    const auto said = scheduler.continuation();
    return said ? said->trial : -1;
  }
  void resumes(std::int64_t trial) {
    EXPECT_EQ(next(), trial);
    scheduler.observe_state(trial, TrialState::running, -1, -1);
  }
  void ends(std::int64_t trial, TrialState state) { scheduler.observe_state(trial, state, -1, -1); }

  HyperbandScheduler scheduler{options(9), "hyperband"};
};

// Table 1 of Li et al. 2018, R = 81 and eta = 3: how many begin with how many steps, and how many go up.
TEST_F(Hyperband, BracketsAreThoseOfThePaper) {
  HyperbandScheduler large{options(81), "hyperband"};
  std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> first_rungs;  // bracket -> {step -> trials}
  std::map<std::int64_t, std::int64_t> keeps;
  for (std::int64_t trial = 0; trial < 81 + 34 + 15 + 8 + 5 + 3; ++trial) {
    for (std::int64_t step = 1; step <= 81; ++step) {
      large.observe(trial, 1, step, 1.0);
      const auto judgement = large.judge(trial);
      if (judgement.verdict != Verdict::pause && step < 81) continue;
      if (step < 81) {
        ++first_rungs[judgement.basis.at("bracket")][step];
        keeps[judgement.basis.at("bracket")] = judgement.basis.at("keep");
      } else {
        ++first_rungs[-1][81];
      }
      break;
    }
  }
  using testing::ElementsAre;
  using testing::Pair;
  EXPECT_THAT(first_rungs[0], ElementsAre(Pair(1, 81)));
  EXPECT_THAT(first_rungs[1], ElementsAre(Pair(3, 34)));
  EXPECT_THAT(first_rungs[2], ElementsAre(Pair(9, 15)));
  EXPECT_THAT(first_rungs[3], ElementsAre(Pair(27, 8)));
  EXPECT_THAT(first_rungs[-1], ElementsAre(Pair(81, 5)));
  EXPECT_THAT(first_rungs[5], ElementsAre(Pair(1, 3))) << "and from the beginning";
  EXPECT_THAT(keeps, ElementsAre(Pair(0, 27), Pair(1, 11), Pair(2, 5), Pair(3, 2), Pair(5, 27)));
}

// R = 9: bracket 0 is trials 0 to 8 at steps 1 and 3, bracket 1 is 9 to 13 at step 3, bracket 2 is 14 to 16.
TEST_F(Hyperband, ARungIsDecidedWhenAllAreThere) {
  for (std::int64_t trial = 0; trial < 8; ++trial) {
    EXPECT_EQ(report(trial, 1, static_cast<double>(10 - trial)), Verdict::pause);
    EXPECT_EQ(next(), -1);
    EXPECT_TRUE(scheduler.takes_new(trial + 1));
  }
  report(8, 1, 100);
  for (const std::int64_t trial : {7, 6, 5}) resumes(trial);
  EXPECT_EQ(next(), -1);
  for (const std::int64_t trial : {7, 6})
    EXPECT_EQ(report(trial, 3, static_cast<double>(trial), 2), Verdict::pause);
  EXPECT_EQ(next(), -1) << "5 is on its way";
  report(5, 3, 5, 2);
  resumes(5);
  EXPECT_EQ(next(), -1);
  EXPECT_EQ(report(5, 9, 1, 3), Verdict::go_on) << "through";
}

TEST_F(Hyperband, TheLastBracketRunsThrough) {
  for (const std::int64_t trial : {14, 15, 16}) {
    for (std::int64_t step = 1; step <= 9; ++step) EXPECT_EQ(report(trial, step, 1.0), Verdict::go_on);
  }
  EXPECT_EQ(report(13, 3, 1.0), Verdict::pause);
  EXPECT_EQ(report(17, 1, 1.0), Verdict::pause);
}

TEST_F(Hyperband, NobodyWaitsForWhoHasEnded) {
  ends(0, TrialState::failed);
  ends(1, TrialState::cancelled);
  ends(2, TrialState::completed);  // without a report
  for (std::int64_t trial = 3; trial < 9; ++trial) report(trial, 1, static_cast<double>(trial));
  for (const std::int64_t trial : {3, 4, 5}) resumes(trial);
  EXPECT_EQ(next(), -1);
  report(3, 3, 3.0, 2);
  ends(4, TrialState::failed);  // before it said anything: its seat is given to the next
  resumes(6);
  scheduler.observe(5, 2, 2, 5.0);
  ends(5, TrialState::failed);  // on its way
  EXPECT_EQ(next(), -1);
  report(6, 3, 1.0, 2);
  resumes(6);
}

TEST_F(Hyperband, WhereFewerAreLeftThanMayGoUpAllOfThemDo) {
  for (std::int64_t trial = 0; trial < 7; ++trial) ends(trial, TrialState::failed);
  report(7, 1, 1.0);
  report(8, 1, 2.0);
  resumes(7);
  resumes(8);
  report(7, 3, 1.0, 2);
  EXPECT_EQ(next(), -1);
  report(8, 3, 0.5, 2);
  resumes(8);
  EXPECT_EQ(next(), -1) << "one of three, though there were two";
}

TEST_F(Hyperband, WhoEndsWhileItWaitsLeavesItsSeat) {
  for (std::int64_t trial = 0; trial < 9; ++trial) report(trial, 1, static_cast<double>(trial));
  EXPECT_EQ(next(), 0);
  ends(0, TrialState::cancelled);
  for (const std::int64_t trial : {1, 2, 3}) resumes(trial);
  EXPECT_EQ(next(), -1);
}

TEST_F(Hyperband, TheOldestBracketComesFirst) {
  for (std::int64_t trial = 9; trial < 14; ++trial) report(trial, 3, static_cast<double>(trial));
  EXPECT_EQ(next(), 9);
  ends(9, TrialState::failed);
  for (std::int64_t trial = 0; trial < 9; ++trial) report(trial, 1, static_cast<double>(trial));
  EXPECT_EQ(next(), 0);
}

TEST_F(Hyperband, ARungThatWasJumpedOverIsWaitedAtAllTheSame) {
  EXPECT_EQ(report(0, 5, 0.5), Verdict::pause);
  EXPECT_EQ(scheduler.judge(0).basis.at("rung"), 1);
}

TEST_F(Hyperband, PowersAreNotLostToRounding) {
  HyperbandScheduler powers{options(243), "hyperband"};  // ln 243 / ln 3 is 4.999...
  powers.observe(0, 1, 1, 1.0);
  EXPECT_EQ(powers.judge(0).basis.at("rung"), 1);
  EXPECT_EQ(powers.judge(0).basis.at("keep"), 81);
  HyperbandScheduler one{options(5, 5), "hyperband"};  // no room for a rung
  one.observe(0, 1, 4, 1.0);
  EXPECT_EQ(one.judge(0).verdict, Verdict::go_on);
}

TEST_F(Hyperband, BohbIsTheSameRuleByItsOwnName) {
  HyperbandScheduler bohb{options(9), "bohb"};
  EXPECT_EQ(bohb.name(), "bohb");
  bohb.observe(0, 1, 1, 1.0);
  EXPECT_EQ(bohb.judge(0).basis.at("rule"), "bohb");
}

}  // namespace
}  // namespace krigon
