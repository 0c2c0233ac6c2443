// The contract of core/scheduler.hpp, held against every scheduler that make_scheduler() knows.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "scheduler/schedulers.hpp"
#include "tests/conformance/scheduler/simulated_study.hpp"

namespace krigon {
namespace {

using testing::Said;
using testing::SimulatedStudy;

/// A rule, with what its options have to say for the body below.
struct Rule {
  std::string label;
  EarlyStopping options;
};

Rule rule(std::string type, const std::function<void(EarlyStopping&)>& change = {}) {
  Rule made{type, {}};
  made.options.type = std::move(type);
  if (change) change(made.options);
  if (made.options.promote) made.label += "_promote";
  if (made.options.brackets > 1) made.label += "_brackets";
  return made;
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all{
      rule("none"),
      rule("asha"),
      rule("asha", [](auto& o) { o.brackets = 3; }),
      rule("asha", [](auto& o) { o.promote = true; }),
      rule("asha", [](auto& o) { o.promote = true, o.brackets = 2; }),
      rule("envelope"),
      rule("hyperband"),
      rule("bohb"),
      rule("median"),
      rule("percentile"),
      rule("patience", [](auto& o) { o.patience = 3, o.delta = 0.02; }),
      rule("threshold", [](auto& o) { o.bound = 40; }),
      rule("wilcoxon"),
      rule("curve"),
      rule("pbt", [](auto& o) { o.interval = 3, o.population = 20; }),
  };
  return all;
}

void PrintTo(const Rule& rule, std::ostream* stream) {
  *stream << rule.label;
}

/// Takes the end of a curve for where it stands now, give or take as much again as it still has to go.
class PlainPredictor final : public Predictor {
  class Model final : public CurveModel {
    std::optional<double> probability_below(double loss, const LearningCurve& sofar, double step) override {
      const auto& last = sofar.points.back();
      const double spread = 0.01 + 1 / last.step - 1 / step;
      return 0.5 * std::erfc((last.loss - loss) / spread);
    }
  };
  std::unique_ptr<CurveModel> learn(std::span<const LearningCurve>, double) override {
    return std::make_unique<Model>();
  }
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

class SchedulerContract : public ::testing::TestWithParam<Rule> {
 protected:
  static constexpr std::int64_t kMin = 3, kMax = 27;
  static std::unique_ptr<Scheduler> make(EarlyStopping options = GetParam().options, std::int64_t min = kMin,
                                         std::int64_t max = kMax) {
    options.min_steps = min;
    options.max_steps = max;
    return make_study_scheduler(options, {Direction::minimize, std::make_shared<PlainPredictor>()});
  }
  static bool pauses() { return GetParam().options.promote || of_type("hyperband") || of_type("bohb"); }
  static bool of_type(std::string_view type) { return GetParam().options.type == type; }
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
    if (scheduler->judge(said.trial).verdict != Verdict::go_on) {
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
        // Curves of one form come to rest at the same step, whoever is best.
        EXPECT_TRUE(trial != 40 || of_type("patience"));
        ++stopped;
        break;
      }
      if (step == kMax) scheduler->observe_completed(trial, loss);
    }
  }
  if (of_type("none") || pauses()) {
    EXPECT_EQ(stopped, 0);
  } else {
    EXPECT_GT(stopped, 20);
    EXPECT_LE(stopped, of_type("patience") ? 80 : 79);
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
      EXPECT_EQ(judgement.basis.at("rule"), GetParam().options.type);
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
  const auto scheduler = make(GetParam().options, 1, of_type("asha") ? 0 : INT64_MAX);
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

class SchedulerInAStudy : public SchedulerContract {
 protected:
  EarlyStopping options() const {
    EarlyStopping o = GetParam().options;
    if (o.type == "pbt") o.population = 8;
    if (o.type == "threshold") o.bound = 1.5;
    return o;
  }
};

TEST_P(SchedulerInAStudy, PausedTrialsAreTakenUpAndOnlyThose) {
  for (const bool checkpoints : {true, false}) {
    const auto scheduler = make(options(), 1);
    SimulatedStudy study(*scheduler, 11, 200, checkpoints);
    while (study.step()) {
      if (study.steps > 100'000) FAIL() << "does not come to an end";
    }
    if (pauses()) {
      EXPECT_GT(study.resumed, 10);
    } else {
      EXPECT_EQ(study.resumed, 0);
    }
    EXPECT_EQ(study.cloned > 0, of_type("pbt")) << study.cloned;
    std::int64_t whole = 0;
    for (const auto& [number, trial] : study.trials) whole += trial.state == TrialState::completed ? 1 : 0;
    if (!of_type("patience")) {
      EXPECT_GT(whole, 0) << "some come to their end";
    }
    EXPECT_EQ(scheduler->continuation(), std::nullopt) << "nothing is left over when all places are free";
  }
}

// As a process that opens the store does it: all reports, then where each trial stands.
TEST_P(SchedulerInAStudy, WhatIsRebuiltFromTheStoreSaysTheSame) {
  for (const bool checkpoints : {true, false}) {
    const auto live = make(options(), 1);
    SimulatedStudy study(*live, 12, 150, checkpoints);
    for (int i = 0; study.step(); ++i) {
      if (i % 53 != 0) continue;
      const auto rebuilt = make(options(), 1);
      for (const auto& said : study.reports) feed(*rebuilt, said);
      for (const auto& [number, trial] : study.trials) {
        rebuilt->observe_state(number, trial.state, trial.parent, trial.replaces);
      }
      const std::int64_t last = study.reports.empty() ? 0 : study.reports.back().trial;
      EXPECT_EQ(rebuilt->judge(last).verdict, live->judge(last).verdict);
      EXPECT_EQ(rebuilt->judge(last).basis, live->judge(last).basis);
      const auto a = live->continuation(), b = rebuilt->continuation();
      ASSERT_EQ(a.has_value(), b.has_value()) << i;
      if (a) {
        EXPECT_EQ(a->kind, b->kind);
        EXPECT_EQ(a->trial, b->trial);
        EXPECT_EQ(a->replaces, b->replaces);
      }
      const auto next = static_cast<std::int64_t>(study.trials.size());
      EXPECT_EQ(live->takes_new(next), rebuilt->takes_new(next));
    }
  }
}

// Each report twice and in the grain of a slow reader: states only now and then.
TEST_P(SchedulerInAStudy, SomeoneWhoLooksSeldomSeesTheSameInTheEnd) {
  const auto live = make(options(), 1);
  const auto slow = make(options(), 1);
  SimulatedStudy study(*live, 13, 150, true);
  std::size_t told = 0;
  const auto look = [&] {
    for (; told < study.reports.size(); ++told) feed(*slow, study.reports[told]);
    for (const auto& [number, trial] : study.trials) {
      slow->observe_state(number, trial.state, trial.parent, trial.replaces);
    }
  };
  for (int i = 0; study.step(); ++i) {
    if (i % 40 == 0) look();
    if (i % 40 == 0 && pauses()) {
      const auto a = live->continuation(), b = slow->continuation();
      EXPECT_EQ(a ? a->trial : -1, b ? b->trial : -1) << i;
    }
  }
  look();
  EXPECT_EQ(live->continuation().has_value(), slow->continuation().has_value());
}

// From its own first step on, and no more: what an earlier attempt said below it stands.
TEST_P(SchedulerContract, AnAttemptFromACheckpointLeavesWhatStandsBelow) {
  const auto whole = make(), split = make();
  const auto both = [&](auto what) { what(*whole), what(*split); };
  for (std::int64_t trial = 0; trial < 8; ++trial) {
    for (std::int64_t step = 1; step <= kMax; ++step) {
      const double loss = static_cast<double>(trial) + 1.0 / static_cast<double>(step);
      both([&](Scheduler& s) { s.observe(trial, 1, step, loss); });
    }
    both([&](Scheduler& s) { s.observe_completed(trial, static_cast<double>(trial)); });
  }
  // Trial 40 in one attempt for one rule; lost at step 9 and gone on from step 6 for the other.
  const auto curve = [](std::int64_t step) { return 3.5 + 1.0 / static_cast<double>(step); };
  for (std::int64_t step = 1; step <= 5; ++step)
    both([&](Scheduler& s) { s.observe(40, 1, step, curve(step)); });
  for (std::int64_t step = 6; step <= 9; ++step) split->observe(40, 1, step, -7.0);
  // A rule that pauses takes a new attempt for a promotion (core/scheduler.hpp, its own tests).
  if (pauses()) return;
  for (std::int64_t step = 6; step <= kMax; ++step) {
    whole->observe(40, 1, step, curve(step));
    split->observe(40, 2, step, curve(step));
    const auto a = whole->judge(40), b = split->judge(40);
    EXPECT_EQ(a.verdict, b.verdict) << step;
    EXPECT_EQ(a.basis, b.basis) << step;
  }
  // And nothing is left of it for others.
  for (std::int64_t step = 1; step < kMax; ++step) {
    both([&](Scheduler& s) { s.observe(41, 1, step, 3.0); });
    EXPECT_EQ(whole->judge(41).basis, split->judge(41).basis) << step;
  }
}

const auto kLabel = [](const ::testing::TestParamInfo<Rule>& param) { return param.param.label; };
INSTANTIATE_TEST_SUITE_P(All, SchedulerContract, ::testing::ValuesIn(rules()), kLabel);
INSTANTIATE_TEST_SUITE_P(All, SchedulerInAStudy, ::testing::ValuesIn(rules()), kLabel);

TEST(SchedulerContractCovers, EveryScheduler) {
  for (const auto name : scheduler_names()) {
    const bool there = std::any_of(rules().begin(), rules().end(),
                                   [&](const Rule& rule) { return rule.options.type == name; });
    EXPECT_TRUE(there) << "add " << name << " to the instances above";
  }
}

}  // namespace
}  // namespace krigon
