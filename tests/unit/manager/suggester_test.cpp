// Who proposes for all, the queue it keeps filled, and rules that pause trials and take them up again.
#include <atomic>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/machine.hpp"
#include "krigon/error.hpp"
#include "manager/manager.hpp"
#include "storage/storage.hpp"

namespace krigon {
namespace {

using ::testing::ElementsAre;

class ManualClock final : public Clock {
 public:
  TimeUs now() const override { return time; }
  std::atomic<TimeUs> time{1'000'000'000};
};

/// x says how many trials had ended, n how many were pending.
class CountingSampler final : public Sampler {
 public:
  std::string_view name() const override { return "counting"; }
  Suggestion propose(const History& history, std::int64_t number) override {
    Suggestion s;
    s.exhausted = number >= points;
    s.proposal.sampler = "counting";
    s.parameters = {{"x", static_cast<double>(history.ended().size())},
                    {"n", static_cast<std::int64_t>(history.pending().size())}};
    return s;
  }
  std::string describe(const Space&) const override { return "counts"; }
  std::int64_t points = INT64_MAX;
};

/// Pauses every trial at step 1; resumes what a test says.
class PausingScheduler final : public Scheduler {
 public:
  std::string_view name() const override { return "pausing"; }
  void observe(std::int64_t, std::int64_t, std::int64_t step, double) override { step_ = step; }
  void observe_completed(std::int64_t, double) override {}
  void observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) override {
    states[trial] = state;
    if (resume == trial && state != TrialState::paused) resume = -1;
  }
  Judgement judge(std::int64_t) override {
    if (step_ == 1) return {Verdict::pause, {{"rung", 1}}, "rung 1"};
    return {};
  }
  std::optional<Continuation> continuation() override {
    if (resume < 0) return std::nullopt;
    Continuation c;
    c.trial = resume;
    c.basis = {{"why", "best"}};
    return c;
  }
  bool takes_new(std::int64_t number) const override { return number < most; }

  std::map<std::int64_t, TrialState> states;
  std::int64_t resume = -1, most = INT64_MAX;

 private:
  std::int64_t step_ = 0;
};

struct Process {
  explicit Process(const std::shared_ptr<Storage>& store) : storage(store) {
    StudySpec spec;
    spec.name = "s";
    spec.objectives = {{"loss", Direction::minimize}};
    spec.space = Space({{"x", RealDomain{0, 1000}}, {"n", IntegerDomain{0, 1000}}});
    spec.budget.trials = 8;
    auto study = store->find_study("s");
    if (!study) study = store->create_study(spec, nullptr);
    auto s = std::make_unique<CountingSampler>();
    auto r = std::make_unique<PausingScheduler>();
    sampler = s.get();
    scheduler = r.get();
    manager = std::make_unique<StudyManager>(store, *study, std::move(s), std::move(r));
  }
  Turn take(const std::string& worker, bool may_propose = true) {
    return manager->take({worker, "h", 60 * kSecond}, may_propose);
  }
  void tell(const Asked& asked) {
    manager->apply(CompleteTrial{asked.trial.number, asked.attempt.fence, {{"loss", 0.5}}, {}});
  }
  TrialRecord trial(std::int64_t number) { return storage->trial(manager->study().id, number).value(); }

  std::shared_ptr<Storage> storage;
  CountingSampler* sampler = nullptr;
  PausingScheduler* scheduler = nullptr;
  std::unique_ptr<StudyManager> manager;
};

struct Suggester : ::testing::Test {
  ManualClock clock;
  std::shared_ptr<Storage> storage = open_storage("memory:", {.clock = &clock});
  Process a{storage}, b{storage};
};

TEST_F(Suggester, OnlyTheOneThatLeadsProposes) {
  EXPECT_TRUE(a.take("a").wait);  // not yet
  EXPECT_TRUE(a.manager->lead("a", 10 * kSecond));
  EXPECT_FALSE(b.manager->lead("b", 10 * kSecond));
  const auto first = a.take("a");
  ASSERT_TRUE(first.asked);
  EXPECT_EQ(first.asked->trial.number, 0);
  EXPECT_TRUE(b.take("b").wait);
  EXPECT_EQ(a.manager->fill(2, 100), 2);
  EXPECT_EQ(b.take("b").asked.value().trial.number, 1);
  EXPECT_EQ(a.take("a", false).asked.value().trial.number, 2);
  EXPECT_TRUE(a.take("a", false).wait);
  EXPECT_EQ(storage->head(1).next_trial, 3);
}

TEST_F(Suggester, AnotherTakesOverAndTheOldOneIsNotHeard) {
  ASSERT_TRUE(a.manager->lead("a", 10 * kSecond));
  clock.time += 11 * kSecond;
  ASSERT_TRUE(b.manager->lead("b", 10 * kSecond));
  // `a` was stopped and does not know yet.
  EXPECT_TRUE(a.manager->leads());
  EXPECT_EQ(a.manager->fill(3, 100), 0);
  const auto turn = a.take("a");
  EXPECT_FALSE(turn.asked);
  EXPECT_TRUE(turn.wait);
  EXPECT_FALSE(a.manager->leads());
  EXPECT_EQ(storage->head(1).next_trial, 0);
  EXPECT_EQ(b.manager->fill(3, 100), 3);
  b.manager->leave("b");
  EXPECT_TRUE(a.manager->lead("a", 10 * kSecond));
}

TEST_F(Suggester, OneThatIsKnownToBeDeadIsNotWaitedFor) {
  ASSERT_TRUE(a.manager->lead("a", 1000 * kSecond));
  EXPECT_FALSE(b.manager->lead("b", 10 * kSecond, "c"));
  EXPECT_TRUE(b.manager->lead("b", 10 * kSecond, "a"));
}

TEST_F(Suggester, NothingIsProposedBeyondTheBudget) {
  ASSERT_TRUE(a.manager->lead("a", 10 * kSecond));
  EXPECT_EQ(a.manager->fill(100, 100), 8);
  for (int i = 0; i < 8; ++i) a.tell(b.take("b").asked.value());
  const auto turn = a.take("a");
  EXPECT_FALSE(turn.asked);
  EXPECT_FALSE(turn.wait);
}

TEST_F(Suggester, TheOneThatProposesForOthersSeesWhenNothingIsLeft) {
  ASSERT_TRUE(a.manager->lead("a", 10 * kSecond));
  a.sampler->points = 2;
  EXPECT_EQ(a.manager->fill(3, 100), 2);
  const auto first = b.take("b").asked.value(), second = b.take("b").asked.value();
  a.tell(first);
  EXPECT_EQ(a.manager->fill(3, 100), 0);
  EXPECT_TRUE(a.take("a", false).wait);  // what runs may come back
  a.tell(second);
  EXPECT_TRUE(a.take("a", false).wait);  // it has not looked since
  EXPECT_EQ(a.manager->fill(3, 100), 0);
  EXPECT_FALSE(a.take("a", false).wait);
  EXPECT_TRUE(b.take("b", false).wait);
}

TEST_F(Suggester, WhatWaitedTooLongIsProposedAnew) {
  ASSERT_TRUE(a.manager->lead("a", 1000 * kSecond));
  std::vector<Asked> running;
  for (int i = 0; i < 3; ++i) running.push_back(a.take("a").asked.value());
  a.manager->enqueue({{"x", 500.0}, {"n", std::int64_t{500}}});
  EXPECT_EQ(a.manager->fill(2, 2), 1);
  EXPECT_EQ(std::get<double>(a.trial(4).parameters.at("x")), 0);
  a.tell(running[0]);
  a.tell(running[1]);
  EXPECT_EQ(a.manager->fill(2, 2), 0);
  a.tell(running[2]);
  EXPECT_EQ(a.manager->fill(2, 2), 1);
  const auto revised = a.trial(4);
  EXPECT_EQ(std::get<double>(revised.parameters.at("x")), 3);
  // Of the two that are pending it is itself one, which does not count.
  EXPECT_EQ(std::get<std::int64_t>(revised.parameters.at("n")), 1);
  EXPECT_THAT(revised.proposal.pending, ElementsAre(3));
  EXPECT_EQ(a.manager->fill(2, 2), 0);
  // A person's point is no proposal of ours.
  EXPECT_EQ(std::get<double>(a.trial(3).parameters.at("x")), 500);
}

TEST_F(Suggester, APausedTrialGoesOnWhenTheRuleSaysSo) {
  ASSERT_TRUE(a.manager->lead("a", 10 * kSecond));
  const auto first = a.take("a").asked.value();
  EXPECT_EQ(a.manager->report(0, first.attempt.fence, 1, {{"loss", 0.5}}).verdict, Verdict::pause);
  // As often as it is asked, in any process.
  EXPECT_EQ(b.manager->report(0, first.attempt.fence, 1, {{"loss", 0.5}}).verdict, Verdict::pause);
  EXPECT_EQ(b.manager->end_early(0, first.attempt.fence, "rung 1").trial->state, TrialState::paused);
  EXPECT_EQ(a.take("a").asked.value().trial.number, 1);
  a.scheduler->resume = 0;
  EXPECT_EQ(a.manager->fill(1, 100), 1);
  EXPECT_EQ(b.take("b").asked.value().trial.number, 0);
  EXPECT_EQ(a.scheduler->resume, 0);  // it hears of it when next asked
  EXPECT_EQ(a.take("a").asked.value().trial.number, 2);
  EXPECT_EQ(a.scheduler->resume, -1);
}

TEST_F(Suggester, PausedTrialsEndWhenNothingElseCanBegin) {
  ASSERT_TRUE(a.manager->lead("a", 10 * kSecond));
  a.scheduler->most = 2;
  for (int i = 0; i < 2; ++i) {
    const auto asked = a.take("a").asked.value();
    a.manager->report(i, asked.attempt.fence, 1, {{"loss", 0.5}});
    EXPECT_EQ(a.manager->settle(), 0);
    a.manager->end_early(i, asked.attempt.fence, "rung 1");
  }
  const auto turn = a.take("a");
  EXPECT_FALSE(turn.asked);
  EXPECT_FALSE(turn.wait);
  EXPECT_EQ(a.manager->settle(), 2);
  EXPECT_EQ(storage->head(1).stopped, 2);
  EXPECT_EQ(storage->head(1).paused, 0);
}

/// Of a budget of 8: two trials are paused, and a person takes as many as are left.
struct UsedUpByPeople : Suggester {
  UsedUpByPeople() {
    EXPECT_TRUE(a.manager->lead("a", 10 * kSecond));
    for (int i = 0; i < 2; ++i) {
      const auto asked = a.take("a").asked.value();
      a.manager->report(i, asked.attempt.fence, 1, {{"loss", 0.5}});
      a.manager->end_early(i, asked.attempt.fence, "rung 1");
    }
    for (int i = 0; i < 7; ++i) tell(b.manager->ask({"client", "", 0}).value());
    last = b.manager->ask({"client", "", 0}).value();
    EXPECT_EQ(head().paused, 2);
    EXPECT_EQ(a.manager->settle_beyond(), 0) << "the last is still to be told";
  }
  void tell(const Asked& asked) { b.tell(asked); }
  StudyHead head() { return storage->head(1); }
  Asked last;
};

TEST_F(UsedUpByPeople, PausedTrialsEndWithTheLastOfTheBudget) {
  tell(last);
  EXPECT_EQ(head().completed, 8);
  EXPECT_EQ(head().stopped, 2);
  EXPECT_EQ(head().paused, 0);
}

TEST_F(UsedUpByPeople, OneThatIsPausedLaterEndsTooWhateverElseWaits) {
  const auto late = b.manager->ask({"client", "", 0}).value();
  a.manager->enqueue({{"x", 1.0}, {"n", std::int64_t{1}}});
  tell(last);
  EXPECT_EQ(b.manager->report(late.trial.number, late.attempt.fence, 1, {{"loss", 0.5}}).verdict,
            Verdict::pause);
  b.manager->end_early(late.trial.number, late.attempt.fence, "rung 1");
  EXPECT_EQ(head().stopped, 3);
  EXPECT_EQ(head().paused, 0);
  EXPECT_EQ(head().queued, 1);
}

TEST_F(UsedUpByPeople, TheyWaitOnWhereTheBudgetWasRaised) {
  StudySpec spec = a.manager->study().spec;
  spec.budget.trials = 9;
  storage->update_spec(1, spec, nullptr);
  tell(last);
  EXPECT_EQ(head().paused, 2);
  EXPECT_EQ(a.manager->settle_beyond(), 0);
  tell(b.manager->ask({"client", "", 0}).value());
  EXPECT_EQ(head().paused, 0);
}

/// Of a budget of 8: a trial was lost and is queued again, one was proposed, and a person's points go first.
struct UsedUpByPoints : Suggester {
  UsedUpByPoints() {
    EXPECT_TRUE(a.manager->lead("a", 10 * kSecond));
    const auto lost = a.take("a").asked.value();
    for (int i = 0; i < 5; ++i) tell(a.take("a").asked.value());
    EXPECT_EQ(a.manager->fill(1, 100), 1);
    a.manager->apply(FailAttempt{0, lost.attempt.fence, Outcome::lost, "its manager is gone"});
    for (int i = 0; i < 4; ++i) point(i);
    for (int i = 0; i < 2; ++i) tell(a.take("a").asked.value());
    last = a.take("a").asked.value();
    EXPECT_FALSE(a.take("a").asked) << "the budget has no more";
    EXPECT_EQ(head().queued, 3);
  }
  void point(int i) { a.manager->enqueue({{"x", 900.0 + i}, {"n", std::int64_t{1}}}); }
  void tell(const Asked& asked) { a.tell(asked); }
  StudyHead head() { return storage->head(1); }
  Asked last;
};

TEST_F(UsedUpByPoints, WhatNoOneWillRunIsCancelledAndSaysWhy) {
  tell(last);
  EXPECT_EQ(head().finished(), 8);
  EXPECT_EQ(a.trial(0).state, TrialState::cancelled);
  EXPECT_EQ(a.trial(0).reason, "the budget of 8 trials was used up before it was run again");
  EXPECT_EQ(a.trial(6).state, TrialState::cancelled);
  EXPECT_EQ(a.trial(6).reason, "the budget of 8 trials was used up before it was run");
  // A person's own waits for a larger one.
  const auto waiting = storage->trials(1, {.state = TrialState::queued});
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].proposal.sampler, "enqueued");
  EXPECT_EQ(head().cancelled, 2);
  EXPECT_EQ(a.manager->settle_beyond(), 0);
}

TEST_F(UsedUpByPoints, OneThatIsLostLaterIsCancelledToo) {
  const auto late = b.manager->ask({"client", "h", kSecond}).value();
  const auto later = b.manager->ask({"client", "h", kSecond}).value();
  tell(last);
  EXPECT_EQ(head().cancelled, 1);
  EXPECT_EQ(head().running, 2);
  b.manager->apply(FailAttempt{late.trial.number, late.attempt.fence, Outcome::lost, "gone"});
  b.manager->apply(ReleaseTrial{later.trial.number, later.attempt.fence, "asked to leave"});
  EXPECT_EQ(head().queued, 1) << "a person's own";
  EXPECT_EQ(head().cancelled, 2);
}

TEST_F(UsedUpByPoints, ItWaitsOnWhereTheBudgetWasRaised) {
  StudySpec spec = a.manager->study().spec;
  spec.budget.trials = 9;
  storage->update_spec(1, spec, nullptr);
  tell(last);
  EXPECT_EQ(head().queued, 3);
  EXPECT_EQ(head().cancelled, 0);
}

TEST_F(UsedUpByPoints, ABudgetOfOnesOwnIsNotTheOthers) {
  EXPECT_EQ(a.manager->settle_beyond(7), 0);
  EXPECT_EQ(head().queued, 3);
}

TEST_F(UsedUpByPoints, WhatADeadProcessLeftIsMadeUpFor) {
  storage->apply(1, CompleteTrial{last.trial.number, last.attempt.fence, {{"loss", 0.5}}, {}});
  EXPECT_EQ(head().queued, 3);
  EXPECT_EQ(a.manager->settle_beyond(), 2);
  EXPECT_EQ(head().queued, 1);
}

TEST_F(UsedUpByPeople, WhatADeadProcessLeftIsMadeUpFor) {
  storage->apply(1, CompleteTrial{last.trial.number, last.attempt.fence, {{"loss", 0.5}}, {}});
  EXPECT_EQ(head().paused, 2);
  EXPECT_EQ(a.manager->settle_beyond(), 2);
  EXPECT_EQ(head().paused, 0);
}

}  // namespace
}  // namespace krigon
