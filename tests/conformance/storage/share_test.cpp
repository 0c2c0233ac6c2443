// What several workers of one study share: the queue, the suggester, pauses, and who lives.
#include <algorithm>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

class Share : public StorageTest {
 protected:
  std::optional<std::int64_t> lease_next(const std::string& worker, bool within_budget = false) {
    LeaseNext next;
    next.worker = worker;
    next.lease = 60 * kSecond;
    next.within_budget = within_budget;
    const auto applied = apply(next);
    EXPECT_EQ(applied.changed, applied.trial.has_value());
    return applied.trial ? std::optional(applied.trial->number) : std::nullopt;
  }

  template <class E>
  void expect_refused(const Command& command) {
    const auto before = everything(*storage, study);
    EXPECT_THROW(storage->apply(study, command), E);
    EXPECT_EQ(everything(*storage, study), before);
  }
};
INSTANTIATE_TEST_SUITE_P(Storage, Share, ::testing::ValuesIn(implementations()), implementation_name);

TEST_P(Share, TheQueueIsTakenFromItsHead) {
  EXPECT_EQ(lease_next("a"), std::nullopt);
  for (int i = 0; i < 3; ++i) apply(queued_trial(i));
  auto front = queued_trial(3);
  front.front = true;
  apply(front);
  EXPECT_EQ(lease_next("a"), 3);
  EXPECT_EQ(lease_next("b"), 0);
  const auto attempt = storage->attempts(study, 0).at(0);
  EXPECT_EQ(attempt.worker, "b");
  EXPECT_EQ(attempt.lease_until, clock.now() + 60 * kSecond);
  EXPECT_EQ(lease_next("b"), 1);
  EXPECT_EQ(lease_next("c"), 2);
  EXPECT_EQ(lease_next("c"), std::nullopt);
  EXPECT_EQ(storage->head(study).running, 4);
}

TEST_P(Share, AKeyedTurnIsTakenOnce) {
  apply(queued_trial(0));
  apply(queued_trial(1));
  LeaseNext next;
  next.worker = "a";
  next.key = "mine";
  EXPECT_EQ(apply(next).trial.value().number, 0);
  const auto again = apply(next);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.trial.value().number, 0);
}

TEST_P(Share, NoMoreRunThanTheBudgetHas) {
  auto spec = small_spec("with budget");
  spec.budget.trials = 2;
  study = storage->create_study(spec, nullptr).id;
  for (int i = 0; i < 4; ++i) apply(queued_trial(i));
  EXPECT_EQ(lease_next("a", true), 0);
  EXPECT_EQ(lease_next("a", true), 1);
  EXPECT_EQ(lease_next("a", true), std::nullopt);
  EXPECT_EQ(lease_next("a", false), 2);
  for (const auto& attempt : storage->running_attempts(study)) {
    apply(CompleteTrial{attempt.trial, attempt.fence, {{"loss", 0.5}}, 0});
  }
  EXPECT_EQ(lease_next("a", true), std::nullopt);
}

TEST_P(Share, APausedTrialWaitsAndGoesOnFirst) {
  const auto begun = apply(running_trial(0));
  apply(queued_trial(1));
  apply(ReportStep{0, fence(begun), 3, {{"loss", 0.5}}});
  const PauseTrial pause{0, fence(begun), "rung 3"};
  const auto paused = apply(pause);
  EXPECT_EQ(paused.trial.value().state, TrialState::paused);
  EXPECT_EQ(paused.attempt.value().outcome, Outcome::paused);
  EXPECT_EQ(paused.head.paused, 1);
  EXPECT_EQ(paused.head.running, 0);
  EXPECT_FALSE(apply(pause).changed);
  // Its attempt is over: what its process still says is refused.
  expect_refused<LeaseLostError>(ReportStep{0, fence(begun), 4, {{"loss", 0.25}}});
  expect_refused<LeaseLostError>(CompleteTrial{0, fence(begun), {{"loss", 0.25}}, 0});
  expect_refused<LeaseLostError>(RenewLease{0, fence(begun), 60 * kSecond});
  expect_refused<ConflictError>(LeaseTrial{0, "a", "h", 0, nullptr, ""});
  expect_refused<ConflictError>(ResumeTrial{1, nullptr});
  expect_refused<NotFoundError>(ResumeTrial{2, nullptr});
  EXPECT_TRUE(storage->trials(study, {.state = TrialState::paused}).size() == 1);

  const auto resumed = apply(ResumeTrial{0, {{"rung", 3}}});
  EXPECT_EQ(resumed.trial.value().state, TrialState::queued);
  expect_refused<ConflictError>(ResumeTrial{0, nullptr});
  EXPECT_EQ(storage->events(study, 0, 100).back().detail, nlohmann::json({{"rung", 3}}));
  EXPECT_EQ(lease_next("a"), 0);
  const auto attempts = storage->attempts(study, 0);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_GT(attempts[1].fence, attempts[0].fence);
  // It went on, and no one is to blame for its first attempt's end.
  apply(ReportStep{0, attempts[1].fence, 4, {{"loss", 0.25}}});
  const auto trial = storage->trial(study, 0).value();
  EXPECT_EQ(trial.losses, 0);
  EXPECT_EQ(storage->head(study).paused, 0);
}

TEST_P(Share, APausedTrialCanBeStoppedOrCancelled) {
  for (int i = 0; i < 2; ++i) apply(PauseTrial{i, fence(apply(running_trial(i))), "rung"});
  const auto stopped = apply(StopTrial{0, 0, "not promoted"});
  EXPECT_EQ(stopped.trial.value().state, TrialState::stopped);
  EXPECT_EQ(stopped.trial.value().reason, "not promoted");
  EXPECT_FALSE(apply(StopTrial{0, 0, "not promoted"}).changed);
  EXPECT_EQ(apply(CancelTrial{1, "no need"}).trial.value().state, TrialState::cancelled);
  const auto head = storage->head(study);
  EXPECT_EQ(head.paused, 0);
  EXPECT_EQ(head.stopped, 1);
  EXPECT_EQ(head.cancelled, 1);
  expect_refused<ConflictError>(ResumeTrial{0, nullptr});
}

TEST_P(Share, OnlyAnExpiredLeaseIsTakenAway) {
  auto create = running_trial(0);
  create.lease = 10 * kSecond;
  const auto begun = apply(create);
  FailAttempt fail;
  fail.trial = 0;
  fail.fence = fence(begun);
  fail.outcome = Outcome::lost;
  fail.if_expired = true;
  expect_refused<ConflictError>(fail);
  clock.time += 11 * kSecond;
  EXPECT_EQ(apply(fail).trial.value().state, TrialState::queued);
  const auto forever = apply(running_trial(1));  // a person's
  clock.time += 1000 * kSecond;
  fail.trial = 1;
  fail.fence = fence(forever);
  expect_refused<ConflictError>(fail);
}

TEST_P(Share, AClockThatIsSetBackKeepsNoOneWaiting) {
  auto create = running_trial(0);
  create.lease = 60 * kSecond;
  const auto begun = apply(create);
  EXPECT_EQ(apply(TakeSuggester{"dead", 10 * kSecond}).head.suggester, "dead");
  const TimeUs until = begun.attempt.value().lease_until, lead_until = clock.now() + 10 * kSecond;
  FailAttempt fail;
  fail.trial = 0;
  fail.fence = fence(begun);
  fail.outcome = Outcome::lost;
  fail.if_expired = true;
  clock.time -= 24 * 3600 * kSecond;
  expect_refused<ConflictError>(fail);
  EXPECT_EQ(apply(TakeSuggester{"b", 10 * kSecond}).head.suggester, "dead");
  // Another lease than the one that stands was watched: meanwhile it was renewed.
  fail.stood_until = until - 1;
  expect_refused<ConflictError>(fail);
  EXPECT_EQ(apply(TakeSuggester{"b", 10 * kSecond, "", lead_until - 1}).head.suggester, "dead");
  EXPECT_EQ(apply(TakeSuggester{"b", 10 * kSecond, "", lead_until}).head.suggester, "b");
  fail.stood_until = until;
  EXPECT_EQ(apply(fail).trial.value().state, TrialState::queued);
  expect_refused<LeaseLostError>(RenewLease{0, fence(begun), 60 * kSecond});
  const auto forever = apply(running_trial(1));  // a person's
  fail.trial = 1;
  fail.fence = fence(forever);
  fail.stood_until = 0;
  expect_refused<ConflictError>(fail);
}

TEST_P(Share, OneProposesAtATime) {
  EXPECT_EQ(apply(TakeSuggester{"a", 10 * kSecond}).head.suggester, "a");
  const auto first = storage->head(study).suggester_fence;
  const auto refused = apply(TakeSuggester{"b", 10 * kSecond});
  EXPECT_FALSE(refused.changed);
  EXPECT_EQ(refused.head.suggester, "a");
  clock.time += 9 * kSecond;
  apply(TakeSuggester{"a", 10 * kSecond});
  clock.time += 9 * kSecond;
  EXPECT_EQ(apply(TakeSuggester{"b", 10 * kSecond}).head.suggester, "a");
  EXPECT_EQ(storage->head(study).suggester_fence, first);

  auto create = queued_trial(0);
  create.suggester = first;
  apply(create);
  clock.time += 2 * kSecond;
  const auto taken = apply(TakeSuggester{"b", 10 * kSecond});
  EXPECT_EQ(taken.head.suggester, "b");
  EXPECT_GT(taken.head.suggester_fence, first);
  // What the first still proposes is refused, however late it wakes up.
  create.parameters = point(1);
  expect_refused<StaleError>(create);
  ReviseProposal revise{0, point(2), {}, first};
  expect_refused<StaleError>(revise);
  create.suggester = taken.head.suggester_fence;
  apply(create);
  // One that leaves makes room at once; what it never had it cannot leave.
  EXPECT_FALSE(apply(TakeSuggester{"c", 0}).changed);
  apply(TakeSuggester{"b", 0});
  EXPECT_EQ(apply(TakeSuggester{"c", 10 * kSecond}).head.suggester, "c");
  if (GetParam().durable) {
    EXPECT_EQ(open_again()->head(study).suggester, "c");
  }
}

TEST_P(Share, AProposalIsMadeAnewUntilItIsTaken) {
  apply(queued_trial(0));
  ReviseProposal revise;
  revise.parameters = point(5);
  revise.proposal.sampler = "gp";
  revise.proposal.saw_sequence = 1;
  revise.proposal.pending = {7};
  revise.proposal.parent = 3;
  revise.proposal.replaces = 4;
  revise.proposal.note = "again";
  apply(revise);
  const auto check = [&](Storage& store) {
    const auto trial = store.trial(study, 0).value();
    EXPECT_EQ(trial.parameters, point(5));
    EXPECT_EQ(trial.proposal.sampler, "gp");
    EXPECT_EQ(trial.proposal.pending, std::vector<std::int64_t>{7});
    EXPECT_EQ(trial.proposal.parent, 3);
    EXPECT_EQ(trial.proposal.replaces, 4);
    EXPECT_EQ(trial.proposal.note, "again");
  };
  check(*storage);
  if (GetParam().durable) check(*open_again());
  revise.parameters["x"] = 7.0;
  expect_refused<UsageError>(revise);
  revise.parameters = point(6);
  EXPECT_EQ(lease_next("a"), 0);
  expect_refused<ConflictError>(revise);
  // Nor when it waits for its second attempt.
  apply(ReleaseTrial{0, storage->attempts(study, 0).at(0).fence, "leaves"});
  expect_refused<ConflictError>(revise);
}

TEST_P(Share, AWindowHoldsTheNewestTheBestAndTheOpen) {
  for (const auto direction : {Direction::minimize, Direction::maximize}) {
    study = make_study(direction);
    for (int i = 0; i < 30; ++i) {
      const auto f = fence(apply(running_trial(i)));
      apply(ReportStep{i, f, 1, {{"loss", i + 0.5}, {"other", 1.0}}});
      if (i % 10 == 3) continue;  // runs on
      if (i % 10 == 4) {
        apply(PauseTrial{i, f, ""});
      } else if (i % 10 == 5) {
        apply(ReleaseTrial{i, f, ""});
      } else if (i % 10 == 6) {
        apply(StopTrial{i, f, ""});
      } else {
        apply(CompleteTrial{i, f, {{"loss", static_cast<double>((i * 7) % 10)}}, 0});
      }
    }
    const auto whole = storage->window(study, 0, 0);
    EXPECT_EQ(describe(whole.trials), describe(storage->trials(study, {})));
    EXPECT_EQ(whole.reports.size(), 60u);
    EXPECT_EQ(whole.sequence, storage->head(study).sequence);

    const auto some = storage->window(study, 20, 4);
    std::vector<std::int64_t> numbers;
    for (const auto& trial : some.trials) numbers.push_back(trial.number);
    // Of 0, 1, 2, 7, 8, 9 and ten more: 0 and 10 have 0, 13 would have 1 but runs, 8 has 6, 9 and 19 have 3,
    // ...
    const auto expected = direction == Direction::minimize
                              ? std::vector<std::int64_t>{0, 3, 4, 5, 9, 10, 13, 14, 15, 19}
                              : std::vector<std::int64_t>{1, 3, 4, 5, 7, 11, 13, 14, 15, 17};
    auto old = numbers;
    old.erase(std::find(old.begin(), old.end(), 20), old.end());
    EXPECT_EQ(old, expected);
    EXPECT_EQ(numbers.size(), expected.size() + 10);
    EXPECT_EQ(some.reports.size(), 2 * numbers.size());
    EXPECT_TRUE(storage->window(study, 30, 0).trials.size() == 9u);
  }
}

TEST_P(Share, ChangesComeInPortions) {
  for (int i = 0; i < 5; ++i) {
    const auto f = fence(apply(running_trial(i)));
    apply(ReportStep{i, f, 1, {{"loss", 0.5}}});
    apply(RecordDecision{i, f, 1, "continue", nullptr});
  }
  const auto whole = storage->changes_since(study, 0);
  Delta gathered;
  while (gathered.sequence < whole.sequence) {
    const auto part = storage->changes_since(study, gathered.sequence, 4);
    EXPECT_EQ(part.sequence, std::min(gathered.sequence + 4, whole.sequence));
    EXPECT_EQ(part.head.sequence, whole.sequence);
    gathered.sequence = part.sequence;
    gathered.reports.insert(gathered.reports.end(), part.reports.begin(), part.reports.end());
    gathered.decisions.insert(gathered.decisions.end(), part.decisions.begin(), part.decisions.end());
  }
  EXPECT_EQ(describe(gathered.reports), describe(whole.reports));
  EXPECT_EQ(describe(gathered.decisions), describe(whole.decisions));
  EXPECT_TRUE(storage->changes_since(study, whole.sequence, 4).trials.empty());
}

TEST_P(Share, WorkersAreThoseThatBeat) {
  WorkerRecord worker{"b", "host-b", 4, 3, 1, 0, 0};
  storage->heartbeat(study, worker, 10 * kSecond);
  storage->heartbeat(study, {"a", "host-a"}, 30 * kSecond);
  const auto began = clock.now();
  clock.time += 5 * kSecond;
  worker.running = 4;
  worker.waiting = 0;
  storage->heartbeat(study, worker, 10 * kSecond);
  auto living = storage->workers(study);
  ASSERT_EQ(living.size(), 2u);
  EXPECT_EQ(living[0].name, "a");
  EXPECT_EQ(living[1].host, "host-b");
  EXPECT_EQ(living[1].slots, 4);
  EXPECT_EQ(living[1].running, 4);
  EXPECT_EQ(living[1].waiting, 0);
  EXPECT_EQ(living[1].started, began);
  EXPECT_EQ(living[1].lease_until, clock.now() + 10 * kSecond);
  const auto sequence = storage->head(study).sequence;
  clock.time += 11 * kSecond;
  ASSERT_EQ(storage->workers(study).size(), 1u);
  storage->heartbeat(study, {"a", ""}, 0);
  EXPECT_TRUE(storage->workers(study).empty());
  EXPECT_EQ(storage->head(study).sequence, sequence);
  EXPECT_THROW(storage->heartbeat(study + 1000, worker, kSecond), NotFoundError);
  EXPECT_THROW(storage->workers(study + 1000), NotFoundError);
  const auto other = make_study();
  EXPECT_TRUE(storage->workers(other).empty());
  storage->heartbeat(other, worker, 10 * kSecond);
  storage->delete_study(other);
  EXPECT_THROW(storage->heartbeat(study, worker, kLongestLease + 1), UsageError);
  EXPECT_THROW(storage->heartbeat(study, worker, -1), UsageError);
}

TEST_P(Share, TheDeadAreNotThoughtAliveUntilAClockThatWasSetBackHasCaughtUp) {
  const auto names = [this] {
    std::vector<std::string> living;
    for (const auto& worker : storage->workers(study)) living.push_back(worker.name);
    return living;
  };
  constexpr TimeUs kLease = 60 * kSecond, kHour = 3600 * kSecond;
  storage->heartbeat(study, {"dead", "h"}, kLease);
  storage->heartbeat(study, {"long", "h"}, 9 * kLease);
  storage->heartbeat(study, {"alive", "h"}, kLease);
  storage->heartbeat(study, {"slow", "h"}, kLease);
  EXPECT_THAT(names(), ::testing::ElementsAre("alive", "dead", "long", "slow"));
  // So little makes no difference.
  clock.time -= kSecond;
  storage->heartbeat(study, {"alive", "h"}, kLease);
  EXPECT_THAT(names(), ::testing::ElementsAre("alive", "dead", "long", "slow"));
  clock.time -= kHour;
  storage->heartbeat(study, {"alive", "h"}, kLease);
  EXPECT_THAT(names(), ::testing::ElementsAre("alive"));
  storage->heartbeat(study, {"slow", "h"}, kLease);
  EXPECT_THAT(names(), ::testing::ElementsAre("alive", "slow"));
  // By so much it is seen even where none is left to say so.
  clock.time -= 25 * kHour;
  EXPECT_THAT(names(), ::testing::ElementsAre());
  storage->heartbeat(study, {"new", "h"}, kLease);
  EXPECT_THAT(names(), ::testing::ElementsAre("new"));
  clock.time += 26 * kHour - kSecond;
  EXPECT_THAT(names(), ::testing::ElementsAre());
}

}  // namespace
}  // namespace krigon::testing
