// The contract of core/scheduler.hpp, held against every scheduler that make_scheduler() knows.

#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "scheduler/schedulers.hpp"

namespace krigon {
namespace {

struct Said {
  std::int64_t trial = 0, attempt = 1, step = 0;
  double loss = 0;
  bool completed = false;
};

/// A study's worth of reports: curves that fall towards their own floor, some trials in bursts, some
/// begun anew, some that never report; interleaved as eight workers would.
std::vector<Said> history(std::uint64_t seed, std::int64_t trials, std::int64_t max_steps) {
  Random random(seed, 0, Purpose::random_sampler);
  struct Running {
    std::int64_t trial, attempt, step, stride;
    double floor;
  };
  std::vector<Said> said;
  std::vector<Running> running;
  std::int64_t next = 0;
  const auto begin = [&] {
    running.push_back({next++, 1, 0,
                       random.uniform() < 0.3 ? 1 + static_cast<std::int64_t>(random.below(6)) : 1,
                       random.uniform()});
  };
  while (next < trials && running.size() < 8) begin();
  while (!running.empty()) {
    const auto at = random.below(running.size());
    auto& r = running[at];
    if (random.uniform() < 0.02) {
      ++r.attempt;
      r.step = 0;
    }
    r.step = std::min(max_steps, r.step + r.stride);
    const bool silent = r.trial % 11 == 5;
    const double loss = r.floor + 1.0 / static_cast<double>(r.step);
    if (!silent) said.push_back({r.trial, r.attempt, r.step, loss, false});
    if (r.step < max_steps) continue;
    said.push_back({r.trial, r.attempt, r.step, loss, true});
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
    if (next < trials) begin();
  }
  return said;
}

class SchedulerContract : public testing::TestWithParam<std::string> {
 protected:
  static constexpr std::int64_t kMin = 3, kMax = 27;
  std::unique_ptr<Scheduler> make() const {
    EarlyStopping options;
    options.type = GetParam();
    options.min_steps = kMin;
    options.max_steps = kMax;
    return make_scheduler(options);
  }
  static void feed(Scheduler& scheduler, const Said& said) {
    if (said.completed) {
      scheduler.observe_completed(said.trial, said.loss);
    } else {
      scheduler.observe(said.trial, said.attempt, said.step, said.loss);
    }
  }
};

TEST_P(SchedulerContract, NeverStopsBeforeMinStepsNorAtTheEnd) {
  const auto scheduler = make();
  for (const auto& said : history(1, 200, kMax)) {
    feed(*scheduler, said);
    if (said.completed) continue;
    if (scheduler->judge(said.trial).verdict == Verdict::stop) {
      EXPECT_GE(said.step, kMin);
      EXPECT_LT(said.step, kMax);
    }
  }
}

TEST_P(SchedulerContract, StopsSomeAndNeverTheBest) {
  const auto scheduler = make();
  int stopped = 0;
  // Curves that do not cross: floor + 1/step. Trial 40 has the lowest floor.
  for (std::int64_t trial = 0; trial < 80; ++trial) {
    const double floor = trial == 40 ? 0.0 : 0.1 + static_cast<double>((trial * 37) % 80);
    for (std::int64_t step = 1; step <= kMax; ++step) {
      const double loss = floor + 1.0 / static_cast<double>(step);
      scheduler->observe(trial, 1, step, loss);
      if (scheduler->judge(trial).verdict == Verdict::stop) {
        EXPECT_NE(trial, 40);
        ++stopped;
        break;
      }
      if (step == kMax) scheduler->observe_completed(trial, loss);
    }
  }
  if (GetParam() == "none") {
    EXPECT_EQ(stopped, 0);
  } else {
    EXPECT_GT(stopped, 20);
    EXPECT_LT(stopped, 80);
  }
}

TEST_P(SchedulerContract, AJudgementIsAFunctionOfWhatWasObserved) {
  const auto reports = history(2, 120, kMax);
  const auto live = make();
  std::size_t seen = 0;
  for (const auto& said : reports) {
    feed(*live, said);
    ++seen;
    const auto judgement = live->judge(said.trial);
    const auto again = live->judge(said.trial);
    EXPECT_EQ(judgement.verdict, again.verdict) << "judging changes nothing";
    EXPECT_EQ(judgement.basis, again.basis);
    if (seen % 97 != 0) continue;
    const auto resumed = make();  // rebuilt from the rows, nothing judged on the way
    for (std::size_t i = 0; i < seen; ++i) feed(*resumed, reports[i]);
    const auto rebuilt = resumed->judge(said.trial);
    EXPECT_EQ(rebuilt.verdict, judgement.verdict);
    EXPECT_EQ(rebuilt.basis, judgement.basis);
    EXPECT_EQ(rebuilt.reason, judgement.reason);
  }
}

TEST_P(SchedulerContract, AStopSaysWhyAndWhatItRestedOn) {
  const auto scheduler = make();
  for (const auto& said : history(3, 200, kMax)) {
    feed(*scheduler, said);
    const auto judgement = scheduler->judge(said.trial);
    EXPECT_EQ(judgement.reason.empty(), judgement.verdict == Verdict::go_on);
    if (judgement.verdict == Verdict::stop) {
      EXPECT_EQ(judgement.basis.at("rule"), GetParam());
    }
  }
}

TEST_P(SchedulerContract, RepeatedLateAndOldWordsDoNoHarm) {
  const auto plain = make();
  const auto noisy = make();
  for (const auto& said : history(4, 150, kMax)) {
    feed(*plain, said);
    feed(*noisy, said);
    if (!said.completed) {
      feed(*noisy, said);                                                          // repeated
      noisy->observe(said.trial, said.attempt, said.step - 1, said.loss - 9);      // late
      noisy->observe(said.trial, said.attempt - 1, said.step + 5, said.loss - 9);  // of a lost attempt
      noisy->observe(said.trial, said.attempt, 0, 0);                              // no step at all
    }
    EXPECT_EQ(plain->judge(said.trial).basis, noisy->judge(said.trial).basis);
  }
  plain->observe(900, 1, kMin, 0.7);
  noisy->observe(900, 1, kMin, 0.7);
  EXPECT_EQ(plain->judge(900).basis, noisy->judge(900).basis);
}

TEST_P(SchedulerContract, ATrialThatNeverReportedGoesOn) {
  const auto scheduler = make();
  EXPECT_EQ(scheduler->judge(0).verdict, Verdict::go_on);
  scheduler->observe_completed(0, 1.0);
  EXPECT_EQ(scheduler->judge(0).verdict, Verdict::go_on);
  EXPECT_TRUE(scheduler->judge(0).basis.is_null());
}

TEST_P(SchedulerContract, ValuesThatAreNoNumbersAreNotEntered) {
  const auto scheduler = make();
  for (std::int64_t trial = 0; trial < 20; ++trial) {
    for (std::int64_t step = 1; step < kMax; ++step) {
      scheduler->observe(trial, 1, step, trial % 2 == 0 ? std::nan("") : -INFINITY);
      EXPECT_EQ(scheduler->judge(trial).verdict, Verdict::go_on);
    }
  }
}

TEST_P(SchedulerContract, ExtremeStepsEndAtOnce) {
  EarlyStopping options;
  options.type = GetParam();
  const auto scheduler = make_scheduler(options);
  for (std::int64_t trial = 0; trial < 500; ++trial) {
    for (const std::int64_t step : {std::int64_t{1}, std::int64_t{1} << 40, INT64_MAX - 1, INT64_MAX}) {
      scheduler->observe(trial, 1, step, static_cast<double>(trial));
      scheduler->judge(trial);
    }
  }
}

// A report costs a search in sorted values, not a walk over the trials: half a million of them.
TEST_P(SchedulerContract, TwentyThousandTrialsAreNoBurden) {
  const auto scheduler = make();
  Random random(5, 0, Purpose::random_sampler);
  for (std::int64_t trial = 0; trial < 20'000; ++trial) {
    const double floor = random.uniform();
    for (std::int64_t step = 1; step <= 26; ++step) {
      scheduler->observe(trial, 1, step, floor + 1.0 / static_cast<double>(step));
      scheduler->judge(trial);
    }
    scheduler->observe_completed(trial, floor);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SchedulerContract, testing::Values("none", "asha", "median"),
                         [](const auto& param) { return param.param; });

TEST(SchedulerContractCovers, EveryScheduler) {
  EXPECT_EQ(scheduler_names().size(), 3u) << "add the new one to the instances above";
}

}  // namespace
}  // namespace krigon
