#include "core/machine.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;

/// The least that the machine needs: rows in maps, changes written as they come.
class FakeRows final : public Rows {
 public:
  FakeRows() {
    spec_.name = "s";
    spec_.objectives = {{"loss", Direction::minimize}};
    spec_.space = Space({{"x", RealDomain{0, 1}}});
  }
  const StudySpec& spec() const override { return spec_; }
  std::int64_t revision() const override { return 1; }
  StudyHead head() const override { return head_; }
  std::optional<TrialRecord> trial(std::int64_t n) const override {
    const auto it = trials_.find(n);
    return it == trials_.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<TrialRecord> next_queued() const override {
    for (const auto& [n, t] : trials_) {
      if (t.state == TrialState::queued) return t;
    }
    return std::nullopt;
  }
  std::optional<std::int64_t> trial_by_key(std::string_view key) const override {
    for (const auto& [n, t] : trials_) {
      if (t.key == key) return n;
    }
    return std::nullopt;
  }
  std::optional<AttemptRecord> attempt(std::int64_t t, std::int64_t n) const override {
    const auto it = attempts_.find({t, n});
    return it == attempts_.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<double> report(std::int64_t t, std::int64_t a, std::string_view m,
                               std::int64_t s) const override {
    for (const auto& r : reports_) {
      if (r.trial == t && r.attempt == a && r.metric == m && r.step == s) return r.value;
    }
    return std::nullopt;
  }
  std::int64_t last_step(std::int64_t t, std::int64_t a, std::string_view m) const override {
    std::int64_t last = 0;
    for (const auto& r : reports_) {
      if (r.trial == t && r.attempt == a && r.metric == m) last = std::max(last, r.step);
    }
    return last;
  }

  Transition apply(const Command& command) {
    auto result = transition(*this, command, ++now);
    if (auto* refusal = std::get_if<Refusal>(&result)) throw_refusal(*refusal);
    auto done = std::get<Transition>(std::move(result));
    if (done.change.head) head_ = *done.change.head;
    if (done.change.trial) trials_[done.change.trial->number] = *done.change.trial;
    if (done.change.attempt)
      attempts_[{done.change.attempt->trial, done.change.attempt->number}] = *done.change.attempt;
    for (const auto& r : done.change.reports) reports_.push_back(r);
    if (done.change.event) events.push_back(done.change.event->kind);
    // Whatever happened, the counters are the rows.
    std::map<TrialState, std::int64_t> counted;
    for (const auto& [n, t] : trials_) ++counted[t.state];
    EXPECT_EQ(head_.queued, counted[TrialState::queued]);
    EXPECT_EQ(head_.running, counted[TrialState::running]);
    EXPECT_EQ(head_.completed, counted[TrialState::completed]);
    EXPECT_EQ(head_.stopped, counted[TrialState::stopped]);
    EXPECT_EQ(head_.failed, counted[TrialState::failed]);
    EXPECT_EQ(head_.cancelled, counted[TrialState::cancelled]);
    EXPECT_EQ(head_.sequence, static_cast<std::int64_t>(events.size()));
    EXPECT_EQ(head_.next_trial, static_cast<std::int64_t>(trials_.size()));
    return done;
  }

  Transition ask(const std::string& key = "", TimeUs lease = 1000) {
    CreateTrial c;
    c.parameters = {{"x", 0.5}};
    c.worker = "w";
    c.lease = lease;
    c.key = key;
    return apply(c);
  }

  StudySpec spec_;
  TimeUs now = 0;
  std::vector<std::string> events;

 private:
  StudyHead head_;
  std::map<std::int64_t, TrialRecord> trials_;
  std::map<std::pair<std::int64_t, std::int64_t>, AttemptRecord> attempts_;
  std::vector<ReportRecord> reports_;
};

std::string refusal_of(FakeRows& rows, const Command& command) {
  const auto before = rows.head().sequence;
  try {
    rows.apply(command);
  } catch (const Error& e) {
    EXPECT_EQ(rows.head().sequence, before);
    return e.what();
  }
  return "accepted";
}

FailAttempt failure(std::int64_t trial, std::int64_t fence, Outcome outcome) {
  FailAttempt f;
  f.trial = trial;
  f.fence = fence;
  f.outcome = outcome;
  f.reason = "because";
  return f;
}

TEST(Machine, TheWholeLifeOfATrial) {
  FakeRows rows;
  const auto asked = rows.ask();
  EXPECT_EQ(asked.trial->state, TrialState::running);
  EXPECT_EQ(asked.attempt->lease_until, 1001);
  rows.apply(ReportStep{0, asked.attempt->fence, 1, {{"loss", 0.5}, {"time", 3}}});
  const auto done = rows.apply(CompleteTrial{0, asked.attempt->fence, {{"loss", 0.25}}, 0});
  EXPECT_EQ(done.trial->state, TrialState::completed);
  EXPECT_EQ(done.trial->ended_sequence, 3);
  EXPECT_EQ(done.attempt->outcome, Outcome::completed);
  EXPECT_EQ(rows.head().best_trial, 0);
  EXPECT_EQ(rows.head().best_value, 0.25);
  EXPECT_THAT(rows.events, ::testing::ElementsAre("created", "reported", "completed"));
}

TEST(Machine, FirstTellWins) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  const CompleteTrial tell{0, fence, {{"loss", 0.25}}, 0};
  rows.apply(tell);
  EXPECT_TRUE(rows.apply(tell).change.empty());
  EXPECT_THAT(refusal_of(rows, CompleteTrial{0, fence, {{"loss", 0.5}}, 0}),
              HasSubstr("already told loss = 0.25, now 0.5"));
  EXPECT_THAT(refusal_of(rows, StopTrial{0, fence, ""}), HasSubstr("already completed"));
  EXPECT_THAT(refusal_of(rows, failure(0, fence, Outcome::failed)), HasSubstr("already completed"));
  EXPECT_THAT(refusal_of(rows, CancelTrial{0, ""}), HasSubstr("already completed"));
}

TEST(Machine, OnlyFiniteNumbersAndTheObjectiveAreTaken) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  EXPECT_THAT(refusal_of(rows, CompleteTrial{0, fence, {{"loss", NAN}}, 0}),
              HasSubstr("only finite numbers"));
  EXPECT_THAT(refusal_of(rows, CompleteTrial{0, fence, {{"acc", 1}}, 0}),
              HasSubstr("objective \"loss\" is missing (found: acc)"));
  EXPECT_THAT(refusal_of(rows, ReportStep{0, fence, 0, {{"loss", 1}}}),
              HasSubstr("steps count completed units from 1"));
  EXPECT_THAT(refusal_of(rows, ReportStep{0, fence, 1, {{"step", 1}}}),
              HasSubstr("cannot be a metric's name"));
  EXPECT_THAT(refusal_of(rows, ReportStep{0, fence, 1, {}}), HasSubstr("at least one metric"));
}

TEST(Machine, StepsRiseWithinAnAttempt) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  const ReportStep third{0, fence, 3, {{"loss", 1}}};
  rows.apply(third);
  EXPECT_TRUE(rows.apply(third).change.empty());
  EXPECT_THAT(refusal_of(rows, ReportStep{0, fence, 3, {{"loss", 2}}}),
              HasSubstr("already reported loss = 1 at step 3, now 2"));
  EXPECT_THAT(refusal_of(rows, ReportStep{0, fence, 2, {{"loss", 2}}}), HasSubstr("step 2 comes too late"));
  EXPECT_FALSE(rows.apply(ReportStep{0, fence, 2, {{"other", 2}}}).change.empty())
      << "each metric has its own steps";
}

TEST(Machine, ALostAttemptIsRunAgainUntilItsRetriesAreUsed) {
  FakeRows rows;
  const auto first = rows.ask().attempt->fence;
  rows.apply(ReportStep{0, first, 5, {{"loss", 1}}});
  EXPECT_EQ(rows.apply(failure(0, first, Outcome::lost)).trial->state, TrialState::queued);
  EXPECT_THAT(refusal_of(rows, CompleteTrial{0, first, {{"loss", 1}}, 0}),
              HasSubstr("lease was lost and the trial was requeued"));
  EXPECT_THROW(rows.apply(CompleteTrial{0, first, {{"loss", 1}}, 0}), LeaseLostError);
  const auto second = rows.apply(LeaseTrial{0, "w2", "h", 1000, nullptr, ""});
  EXPECT_EQ(second.attempt->number, 2);
  EXPECT_THAT(refusal_of(rows, ReportStep{0, first, 6, {{"loss", 1}}}), HasSubstr("given to another"));
  rows.apply(ReportStep{0, second.attempt->fence, 1, {{"loss", 2}}});  // from its own first step
  const auto gone = rows.apply(failure(0, second.attempt->fence, Outcome::lost));
  EXPECT_EQ(gone.trial->state, TrialState::failed);
  EXPECT_EQ(gone.trial->outcome, Outcome::lost);
}

TEST(Machine, WhatTheTrialIsToBlameForIsNotRetried) {
  for (const auto outcome : {Outcome::failed, Outcome::bad_result, Outcome::timed_out, Outcome::out_of_memory,
                             Outcome::signalled}) {
    FakeRows rows;
    const auto fence = rows.ask().attempt->fence;
    const auto done = rows.apply(failure(0, fence, outcome));
    EXPECT_EQ(done.trial->state, TrialState::failed) << to_string(outcome);
    EXPECT_EQ(rows.head().finished(), 1);
    EXPECT_TRUE(rows.apply(failure(0, fence, outcome)).change.empty());
  }
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  EXPECT_THAT(refusal_of(rows, failure(0, fence, Outcome::completed)), HasSubstr("is no failure"));
}

TEST(Machine, HandingBackCostsNoRetry) {
  FakeRows rows;
  auto fence = rows.ask().attempt->fence;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(rows.apply(ReleaseTrial{0, fence, "leaving"}).trial->state, TrialState::queued);
    fence = rows.apply(LeaseTrial{0, "w", "h", 1000, nullptr, ""}).attempt->fence;
  }
  EXPECT_EQ(rows.apply(failure(0, fence, Outcome::could_not_start)).trial->state, TrialState::queued);
}

TEST(Machine, AKeyMakesAskingAgainHarmless) {
  FakeRows rows;
  const auto first = rows.ask("k");
  const auto again = rows.ask("k");
  EXPECT_TRUE(again.change.empty());
  EXPECT_EQ(again.trial->number, first.trial->number);
  EXPECT_EQ(again.attempt->fence, first.attempt->fence);
  EXPECT_EQ(rows.ask("other").trial->number, 1);
}

TEST(Machine, AKeyedLeaseOfAQueuedTrialIsTheSameTrialAgain) {
  FakeRows rows;
  CreateTrial queued;
  queued.parameters = {{"x", 0.1}};
  rows.apply(queued);
  const LeaseTrial lease{0, "w", "h", 0, nullptr, "k"};
  const auto first = rows.apply(lease);
  EXPECT_EQ(first.trial->key, "k");
  EXPECT_TRUE(rows.apply(lease).change.empty());
  EXPECT_THAT(refusal_of(rows, LeaseTrial{0, "w", "h", 0, nullptr, "k2"}),
              HasSubstr("is running, not queued"));
}

TEST(Machine, AProposalThatWasOvertakenIsStale) {
  FakeRows rows;
  rows.ask();
  CreateTrial late;
  late.parameters = {{"x", 0.1}};
  late.expect_number = 0;
  EXPECT_THROW(rows.apply(late), StaleError);
  late.expect_number = 1;
  EXPECT_EQ(rows.apply(late).trial->number, 1);
}

TEST(Machine, FenceZeroSpeaksOnlyForTrialsWithoutALease) {
  FakeRows rows;
  rows.ask("", 0);
  rows.ask("", 1000);
  EXPECT_EQ(rows.apply(CompleteTrial{0, 0, {{"loss", 1}}, {}}).trial->state, TrialState::completed);
  EXPECT_THAT(refusal_of(rows, CompleteTrial{1, 0, {{"loss", 1}}, {}}),
              HasSubstr("trial 1 is being run by worker w"));
}

TEST(Machine, HeartbeatsAndRunningTimeAreNoEvents) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  const auto renewed = rows.apply(RenewLease{0, fence, 5000});
  EXPECT_EQ(renewed.attempt->lease_until, rows.now + 5000);
  rows.apply(AddRunningTime{250});
  rows.apply(AddRunningTime{250});
  EXPECT_EQ(rows.head().running_time, 500);
  EXPECT_EQ(rows.events.size(), 1u);
}

TEST(Machine, CancellingWithdrawsWhatHasNotEnded) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  const auto cancelled = rows.apply(CancelTrial{0, "no need"});
  EXPECT_EQ(cancelled.trial->state, TrialState::cancelled);
  EXPECT_EQ(cancelled.attempt->outcome, Outcome::cancelled);
  EXPECT_EQ(rows.head().finished(), 0);
  EXPECT_THAT(refusal_of(rows, CompleteTrial{0, fence, {{"loss", 1}}, 0}),
              HasSubstr("already been cancelled"));
  EXPECT_THAT(refusal_of(rows, CancelTrial{7, ""}), HasSubstr("there is no trial 7"));
}

TEST(Machine, WhatIsToBeCancelledOnlyWhileItIsQueuedMayHaveBegun) {
  FakeRows rows;
  const auto fence = rows.ask().attempt->fence;
  EXPECT_THAT(refusal_of(rows, CancelTrial{0, "left over", true}),
              HasSubstr("trial 0 is running, not queued"));
  rows.apply(PauseTrial{0, fence, "third"});
  EXPECT_THAT(refusal_of(rows, CancelTrial{0, "left over", true}),
              HasSubstr("trial 0 is paused, not queued"));
  rows.apply(ResumeTrial{0, nullptr});
  const auto cancelled = rows.apply(CancelTrial{0, "left over", true});
  EXPECT_EQ(cancelled.trial->state, TrialState::cancelled);
  EXPECT_EQ(cancelled.attempt->outcome, Outcome::paused) << "as it ended";
  EXPECT_TRUE(rows.apply(CancelTrial{0, "left over", true}).change.empty());
}

TEST(Machine, TheEarliestOfEqualBestsStays) {
  FakeRows rows;
  rows.spec_.objectives = {{"loss", Direction::maximize}};
  for (const double value : {1.0, 3.0, 3.0, 2.0}) {
    const auto asked = rows.ask();
    rows.apply(CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", value}}, 0});
  }
  EXPECT_EQ(rows.head().best_trial, 1);
}

TEST(Machine, APointOutsideTheSpaceIsRefused) {
  FakeRows rows;
  CreateTrial c;
  c.parameters = {{"x", 7.0}};
  EXPECT_THAT(refusal_of(rows, c), HasSubstr("parameter \"x\": found 7, allowed is a real number in [0, 1]"));
}

}  // namespace
}  // namespace krigon
