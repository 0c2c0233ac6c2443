// What apply() does and refuses: core/machine.hpp's transitions through each store.
#include <cmath>
#include <limits>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::HasSubstr;

class Apply : public StorageTest {};
INSTANTIATE_TEST_SUITE_P(Storage, Apply, ::testing::ValuesIn(implementations()), implementation_name);

/// Expects that `command` is refused as E and changes nothing.
template <class E>
void expect_refused(Storage& storage, std::int64_t study, const Command& command) {
  const auto before = everything(storage, study);
  EXPECT_THROW(storage.apply(study, command), E);
  EXPECT_EQ(everything(storage, study), before);
}

TEST_P(Apply, NumbersTrialsDenselyFromZero) {
  for (int i = 0; i < 5; ++i) {
    const auto applied = apply(i % 2 ? queued_trial(i) : running_trial(i));
    EXPECT_TRUE(applied.changed);
    EXPECT_EQ(applied.trial.value().number, i);
    EXPECT_EQ(applied.sequence, i + 1);
  }
  const auto head = storage->head(study);
  EXPECT_EQ(head.next_trial, 5);
  EXPECT_EQ(head.running, 3);
  EXPECT_EQ(head.queued, 2);
}

TEST_P(Apply, UnknownStudyIsNotFound) {
  EXPECT_THROW(storage->apply(study + 1000, queued_trial()), NotFoundError);
}

TEST_P(Apply, PointOutsideTheSpaceIsRefused) {
  auto create = queued_trial();
  create.parameters["x"] = 7.0;
  expect_refused<UsageError>(*storage, study, create);
  create.parameters["x"] = std::numeric_limits<double>::quiet_NaN();
  expect_refused<UsageError>(*storage, study, create);
}

TEST_P(Apply, FirstTellWins) {
  const auto asked = apply(running_trial());
  const CompleteTrial tell{0, fence(asked), {{"loss", 0.5}, {"other", -0.0}}, 0};
  const auto told = apply(tell);
  EXPECT_TRUE(told.changed);
  EXPECT_EQ(told.trial.value().state, TrialState::completed);
  const auto before = everything(*storage, study);
  const auto again = apply(tell);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.sequence, told.sequence);
  EXPECT_EQ(describe(again.trial), describe(told.trial));
  EXPECT_EQ(everything(*storage, study), before);
  expect_refused<ConflictError>(*storage, study, CompleteTrial{0, fence(asked), {{"loss", 0.25}}, 0});
  // 0 and -0 are different bits, hence different tells.
  expect_refused<ConflictError>(*storage, study,
                                CompleteTrial{0, fence(asked), {{"loss", 0.5}, {"other", 0.0}}, 0});
}

TEST_P(Apply, ATellNeedsTheObjectiveAndFiniteNumbers) {
  const auto f = fence(apply(running_trial()));
  expect_refused<UsageError>(*storage, study, CompleteTrial{0, f, {{"accuracy", 0.5}}, 0});
  expect_refused<UsageError>(*storage, study, CompleteTrial{0, f, {}, 0});
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    expect_refused<UsageError>(*storage, study, CompleteTrial{0, f, {{"loss", bad}}, 0});
    expect_refused<UsageError>(*storage, study, ReportStep{0, f, 1, {{"loss", bad}}});
  }
}

TEST_P(Apply, UnknownTrialIsNotFound) {
  for (const std::int64_t number : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    expect_refused<NotFoundError>(*storage, study, LeaseTrial{number, "w", "h", 0, nullptr});
    expect_refused<NotFoundError>(*storage, study, CompleteTrial{number, 1, {{"loss", 1.0}}, 0});
    expect_refused<NotFoundError>(*storage, study, CancelTrial{number, ""});
  }
}

TEST_P(Apply, AFencedOffTellIsRefusedAfterARequeue) {
  apply(queued_trial());
  const auto first = fence(apply(LeaseTrial{0, "one", "h", 5 * kSecond, nullptr}));
  const auto lost = apply(FailAttempt{0, first, Outcome::lost, "heartbeat", {}, {}, ""});
  EXPECT_EQ(lost.trial.value().state, TrialState::queued);
  expect_refused<LeaseLostError>(*storage, study, CompleteTrial{0, first, {{"loss", 1.0}}, 0});
  const auto second = fence(apply(LeaseTrial{0, "two", "h", 5 * kSecond, nullptr}));
  EXPECT_GT(second, first);
  expect_refused<LeaseLostError>(*storage, study, CompleteTrial{0, first, {{"loss", 1.0}}, 0});
  expect_refused<LeaseLostError>(*storage, study, ReportStep{0, first, 1, {{"loss", 1.0}}});
  expect_refused<LeaseLostError>(*storage, study, RenewLease{0, first, kSecond});
  // Nor may one speak for everybody while a worker's lease runs.
  expect_refused<ConflictError>(*storage, study, CompleteTrial{0, 0, {{"loss", 1.0}}, 0});
  EXPECT_TRUE(apply(CompleteTrial{0, second, {{"loss", 2.0}}, 0}).changed);
  const auto attempts = storage->attempts(study, 0);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].outcome, Outcome::lost);
  EXPECT_EQ(attempts[1].outcome, Outcome::completed);
}

TEST_P(Apply, RetriesEndWithTheAttempts) {
  apply(queued_trial());
  for (int i = 0; i < 2; ++i) {
    const auto f = fence(apply(LeaseTrial{0, "w", "h", kSecond, nullptr}));
    apply(FailAttempt{0, f, Outcome::could_not_start, "no such program", {}, {}, ""});
  }
  EXPECT_EQ(storage->trial(study, 0).value().state, TrialState::failed);
  EXPECT_EQ(storage->head(study).failed, 1);
  expect_refused<ConflictError>(*storage, study, LeaseTrial{0, "w", "h", kSecond, nullptr});
}

TEST_P(Apply, TheSameKeyGivesTheSameTrial) {
  auto create = running_trial(1);
  create.key = "job-1";
  const auto first = apply(create);
  create.parameters = point(2);
  const auto again = apply(create);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(describe(again.trial), describe(first.trial));
  EXPECT_EQ(describe(again.attempt), describe(first.attempt));
  create.key = "job-2";
  EXPECT_EQ(apply(create).trial.value().number, 1);
  // Keys belong to their study.
  const auto other = make_study();
  EXPECT_TRUE(storage->apply(other, create).changed);
  // No key is not a key.
  EXPECT_EQ(apply(queued_trial()).trial.value().number, 2);
  EXPECT_EQ(apply(queued_trial()).trial.value().number, 3);
}

TEST_P(Apply, AKeyGivenWithALeaseNamesThatTrialToo) {
  auto create = queued_trial();
  create.key = "made";
  apply(create);
  const LeaseTrial lease{0, "w", "h", kSecond, nullptr, "leased"};
  const auto first = apply(lease);
  EXPECT_EQ(first.trial.value().key, "leased");
  apply(queued_trial(1));
  const auto again = apply(LeaseTrial{1, "w", "h", kSecond, nullptr, "leased"});
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(describe(again.trial), describe(first.trial));
  EXPECT_EQ(describe(again.attempt), describe(first.attempt));
  // The older key goes on naming it.
  EXPECT_EQ(apply(create).trial.value().number, 0);
  apply(CompleteTrial{0, fence(first), {{"loss", 1.0}}, 0});
  EXPECT_EQ(apply(lease).trial.value().state, TrialState::completed);
  EXPECT_EQ(storage->trial_by_key(study, "made"), 0);
  EXPECT_EQ(storage->trial_by_key(study, "leased"), 0);
  EXPECT_EQ(storage->trial_by_key(study, ""), std::nullopt);
  EXPECT_EQ(storage->trial_by_key(study, "other"), std::nullopt);
  EXPECT_THROW(storage->trial_by_key(study + 1, "made"), NotFoundError);
}

TEST_P(Apply, StepsRiseWithinAMetric) {
  const auto f = fence(apply(running_trial()));
  EXPECT_TRUE(apply(ReportStep{0, f, 2, {{"loss", 0.5}, {"accuracy", 0.1}}}).changed);
  EXPECT_FALSE(apply(ReportStep{0, f, 2, {{"loss", 0.5}}}).changed);
  expect_refused<ConflictError>(*storage, study, ReportStep{0, f, 2, {{"loss", 0.4}}});
  expect_refused<ConflictError>(*storage, study, ReportStep{0, f, 1, {{"loss", 0.4}}});
  expect_refused<UsageError>(*storage, study, ReportStep{0, f, 0, {{"loss", 0.4}}});
  EXPECT_TRUE(apply(ReportStep{0, f, 3, {{"loss", 0.4}}}).changed);
  EXPECT_TRUE(apply(ReportStep{0, f, 4, {{"loss", 0.3}}}).changed);
  // Steps are each metric's own: one that was seldom reported may come at a step between.
  EXPECT_TRUE(apply(ReportStep{0, f, 3, {{"accuracy", 0.2}}}).changed);
  expect_refused<ConflictError>(*storage, study, ReportStep{0, f, 2, {{"accuracy", 0.3}}});
  // -0 and 0 are different values.
  EXPECT_TRUE(apply(ReportStep{0, f, 5, {{"loss", -0.0}}}).changed);
  EXPECT_FALSE(apply(ReportStep{0, f, 5, {{"loss", -0.0}}}).changed);
  expect_refused<ConflictError>(*storage, study, ReportStep{0, f, 5, {{"loss", 0.0}}});
  EXPECT_TRUE(std::signbit(storage->reports(study, 0).back().value));
}

TEST_P(Apply, ANewAttemptReportsFromItsOwnFirstStep) {
  apply(queued_trial());
  auto f = fence(apply(LeaseTrial{0, "one", "h", kSecond, nullptr}));
  apply(ReportStep{0, f, 7, {{"loss", 0.7}}});
  apply(FailAttempt{0, f, Outcome::lost, "gone", {}, {}, ""});
  f = fence(apply(LeaseTrial{0, "two", "h", kSecond, nullptr}));
  EXPECT_TRUE(apply(ReportStep{0, f, 1, {{"loss", 0.9}}}).changed);
  const auto reports = storage->reports(study, 0);
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(describe(reports[0]), describe(ReportRecord{0, 1, 7, "loss", 0.7}));
  EXPECT_EQ(describe(reports[1]), describe(ReportRecord{0, 2, 1, "loss", 0.9}));
}

TEST_P(Apply, AnEndedTrialTakesNoMore) {
  const auto f = fence(apply(running_trial()));
  apply(ReportStep{0, f, 1, {{"loss", 0.5}}});
  EXPECT_TRUE(apply(StopTrial{0, f, "below the median"}).changed);
  EXPECT_FALSE(apply(StopTrial{0, f, "below the median"}).changed);
  expect_refused<ConflictError>(*storage, study, CompleteTrial{0, f, {{"loss", 0.5}}, 0});
  expect_refused<ConflictError>(*storage, study, ReportStep{0, f, 2, {{"loss", 0.5}}});
  expect_refused<ConflictError>(*storage, study, FailAttempt{0, f, Outcome::failed, "", {}, {}, ""});
  expect_refused<ConflictError>(*storage, study, CancelTrial{0, ""});
  const auto trial = storage->trial(study, 0).value();
  EXPECT_EQ(trial.state, TrialState::stopped);
  EXPECT_EQ(trial.reason, "below the median");
  EXPECT_TRUE(trial.metrics.empty());
}

TEST_P(Apply, TheQueueGivesFrontFirstThenByNumber) {
  const auto lease_next = [this] { return apply(LeaseNext{"w", "h", kSecond, nullptr, "", false}); };
  EXPECT_FALSE(lease_next().trial);
  apply(queued_trial(0));
  apply(queued_trial(1));
  for (int i = 2; i < 4; ++i) {
    auto create = queued_trial(i);
    create.front = true;
    apply(create);
  }
  std::vector<std::int64_t> order;
  std::int64_t first_fence = 0;
  for (auto next = lease_next(); next.trial; next = lease_next()) {
    if (order.empty()) first_fence = fence(next);
    order.push_back(next.trial->number);
  }
  EXPECT_THAT(order, ::testing::ElementsAre(2, 3, 0, 1));
  // A person's own point that was lost comes first again.
  apply(FailAttempt{0, storage->attempts(study, 0)[0].fence, Outcome::lost, "", {}, {}, ""});
  apply(FailAttempt{2, first_fence, Outcome::lost, "", {}, {}, ""});
  EXPECT_EQ(lease_next().trial.value().number, 2);
}

TEST_P(Apply, HandedBackAndCancelled) {
  apply(queued_trial());
  auto f = fence(apply(LeaseTrial{0, "w", "h", kSecond, nullptr}));
  EXPECT_EQ(apply(ReleaseTrial{0, f, "leaving"}).trial.value().state, TrialState::queued);
  EXPECT_EQ(storage->trial(study, 0).value().losses, 0);
  f = fence(apply(LeaseTrial{0, "w", "h", kSecond, nullptr}));
  EXPECT_TRUE(apply(CancelTrial{0, "not wanted"}).changed);
  EXPECT_FALSE(apply(CancelTrial{0, "not wanted"}).changed);
  expect_refused<ConflictError>(*storage, study, CompleteTrial{0, f, {{"loss", 1.0}}, 0});
  const auto head = storage->head(study);
  EXPECT_EQ(head.cancelled, 1);
  EXPECT_EQ(head.finished(), 0);
  EXPECT_EQ(head.queued + head.running, 0);
  EXPECT_TRUE(storage->running_attempts(study).empty());
}

TEST_P(Apply, HeartbeatsMoveTheLeaseWithoutAnEvent) {
  apply(queued_trial());
  const auto leased = apply(LeaseTrial{0, "w", "h", 5 * kSecond, nullptr});
  EXPECT_EQ(leased.attempt->lease_until, clock.now() + 5 * kSecond);
  clock.time += 3 * kSecond;
  const auto renewed = apply(RenewLease{0, fence(leased), 5 * kSecond});
  EXPECT_EQ(renewed.sequence, leased.sequence);
  EXPECT_EQ(storage->attempts(study, 0)[0].lease_until, clock.now() + 5 * kSecond);
  EXPECT_EQ(storage->events(study, 0, INT64_MAX).size(), 2u);
}

TEST_P(Apply, RunningTimeAddsUp) {
  apply(AddRunningTime{3 * kSecond});
  apply(AddRunningTime{4 * kSecond});
  EXPECT_EQ(storage->head(study).running_time, 7 * kSecond);
  EXPECT_EQ(storage->head(study).sequence, 0);
  expect_refused<UsageError>(*storage, study, AddRunningTime{-1});
}

TEST_P(Apply, AStaleProposalIsRefused) {
  apply(queued_trial());
  auto create = queued_trial(1);
  create.expect_number = 0;
  expect_refused<StaleError>(*storage, study, create);
  create.expect_number = 1;
  EXPECT_TRUE(apply(create).changed);
}

TEST_P(Apply, DecisionsAreKept) {
  const auto f = fence(apply(running_trial()));
  apply(RecordDecision{0, f, 1, "continue", {{"rung", {0.1, 0.2}}}});
  apply(RecordDecision{0, f, 3, "stop", nullptr});
  EXPECT_EQ(describe(storage->decisions(study, 0)),
            "decision 0.1 step=1 continue {\"rung\":[0.1,0.2]}\ndecision 0.1 step=3 stop null\n");
}

TEST_P(Apply, TheHeadKnowsTheBest) {
  for (const auto direction : {Direction::minimize, Direction::maximize}) {
    study = make_study(direction);
    EXPECT_EQ(storage->head(study).best_trial, -1);
    const std::vector<double> values{0.5, 0.25, 0.25, 1e300, 1e300, 0.75};
    for (int i = 0; i < 6; ++i) apply(running_trial(i));
    for (int i = 0; i < 6; ++i) {
      apply(CompleteTrial{i, i + 1, {{"loss", values[static_cast<std::size_t>(i)]}}, 0});
    }
    // Equal values: the first told stays.
    const auto head = storage->head(study);
    EXPECT_EQ(head.best_trial, direction == Direction::minimize ? 1 : 3);
    EXPECT_EQ(head.best_value, direction == Direction::minimize ? 0.25 : 1e300);
    EXPECT_EQ(head.completed, 6);
  }
}

}  // namespace
}  // namespace krigon::testing
