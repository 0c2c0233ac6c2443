// What the store gives back: records bit for bit, lists, deltas, studies and their revisions.
#include <cmath>
#include <limits>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Read : public StorageTest {
 protected:
  /// Some of everything, ten trials.
  void fill() {
    for (int i = 0; i < 10; ++i) {
      auto create = i % 3 ? running_trial(i) : queued_trial(i);
      create.front = i == 6;
      const auto applied = apply(create);
      if (!applied.attempt) continue;
      const auto f = fence(applied);
      apply(ReportStep{i, f, 1, {{"loss", 1.0 / (i + 3)}, {"accuracy", i / 7.0}}});
      apply(RecordDecision{i, f, 1, "continue", {{"seen", i}}});
      if (i == 1) apply(CompleteTrial{i, f, {{"loss", 0.1}}, 0});
      if (i == 2) apply(StopTrial{i, f, "slow"});
      if (i == 4) apply(FailAttempt{i, f, Outcome::signalled, "segfault", {}, 11, "core"});
      if (i == 5) apply(FailAttempt{i, f, Outcome::lost, "gone", {}, {}, ""});
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Storage, Read, ::testing::ValuesIn(implementations()), implementation_name);

TEST_P(Read, RecordsComeBackBitForBit) {
  CreateTrial create;
  create.parameters = {
      {"x", std::nextafter(0.1, 1)}, {"n", std::int64_t{7}}, {"kind", std::string("b")}, {"deep", true}};
  create.proposal = {
      "gp", 17, {3, 5, 8}, {{"lengthscale", {0.1 + 0.2, 5e-324}}, {"name", "grüße"}}, "a\n\"note\""};
  create.key = "key 'quoted'; --";
  create.host = "node-1";
  create.worker = "node-1:42:99";
  create.lease = 30 * kSecond;
  const auto created = apply(create);
  EXPECT_EQ(describe(storage->trial(study, 0)), describe(created.trial));
  EXPECT_EQ(describe(storage->attempts(study, 0)), describe(std::vector{created.attempt.value()}));
  EXPECT_TRUE(same_value(storage->trial(study, 0)->parameters.at("x"), std::nextafter(0.1, 1)));
  EXPECT_TRUE(same_value(storage->trial(study, 0)->parameters.at("deep"), true));

  const Metrics metrics{{"loss", 5e-324}, {"big", -1.7976931348623157e308}, {"zero", -0.0}, {"whole", 3.0}};
  clock.time += 12345;
  EXPECT_TRUE(apply(ReportStep{0, 1, 1, metrics}).changed);
  const auto reports = storage->reports(study, 0);
  ASSERT_EQ(reports.size(), 4u);
  for (const auto& r : reports) {
    EXPECT_EQ(describe(r), describe(ReportRecord{0, 1, 1, r.metric, metrics.at(r.metric)}));
  }
  const auto told = apply(CompleteTrial{0, 1, metrics, 0});
  EXPECT_EQ(describe(storage->trial(study, 0)), describe(told.trial));
  EXPECT_EQ(describe(storage->attempts(study, 0)), describe(std::vector{told.attempt.value()}));
}

TEST_P(Read, AttemptsComeBackWhateverTheirText) {
  apply(queued_trial());
  const nlohmann::json resources{{"gpus", {0, 1}}, {"cpus", {4, 5, 6}}};
  const auto f = fence(apply(LeaseTrial{0, "w", "h", kSecond, resources}));
  // The last lines of a program's output are any bytes at all.
  const std::string tail("\xff\xfe not UTF-8 \0 with a zero\n", 28);
  const auto failed = apply(FailAttempt{0, f, Outcome::failed, "exit \xff", 3, 11, tail});
  const auto attempts = storage->attempts(study, 0);
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_EQ(describe(attempts[0]), describe(failed.attempt.value()));
  EXPECT_EQ(attempts[0].stderr_tail, tail);
  EXPECT_EQ(attempts[0].resources, resources);
  EXPECT_EQ(storage->trial(study, 0)->reason, "exit \xff");
}

TEST_P(Read, ListsFilterAndLimit) {
  fill();
  using State = std::optional<TrialState>;
  const auto numbers = [&](State state, std::int64_t from = 0, std::int64_t limit = INT64_MAX) {
    std::vector<std::int64_t> result;
    for (const auto& t : storage->trials(study, {state, from, limit})) result.push_back(t.number);
    return result;
  };
  EXPECT_THAT(numbers({}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(numbers(TrialState::queued), ElementsAre(0, 3, 5, 6, 9));
  EXPECT_THAT(numbers(TrialState::running), ElementsAre(7, 8));
  EXPECT_THAT(numbers(TrialState::completed), ElementsAre(1));
  EXPECT_THAT(numbers({}, 7), ElementsAre(7, 8, 9));
  EXPECT_THAT(numbers({}, 2, 3), ElementsAre(2, 3, 4));
  EXPECT_THAT(numbers(TrialState::queued, 4, 2), ElementsAre(5, 6));
  EXPECT_THAT(numbers(TrialState::failed, 0, 1), ElementsAre(4));
  EXPECT_THAT(numbers({}, 0, 0), ElementsAre());
  EXPECT_THAT(numbers({}, 1000), ElementsAre());
  EXPECT_THAT(numbers({}, -5, 1), ElementsAre(0));

  std::vector<std::int64_t> running;
  for (const auto& a : storage->running_attempts(study)) running.push_back(a.trial);
  EXPECT_THAT(running, ElementsAre(7, 8));
  EXPECT_FALSE(storage->trial(study, 10));
  EXPECT_FALSE(storage->trial(study, -1));
  EXPECT_TRUE(storage->attempts(study, 10).empty());
  EXPECT_TRUE(storage->reports(study, 10).empty());
  EXPECT_TRUE(storage->decisions(study, 10).empty());
}

TEST_P(Read, EventsAreDenseAndOrdered) {
  fill();
  const auto events = storage->events(study, 0, INT64_MAX);
  ASSERT_EQ(static_cast<std::int64_t>(events.size()), storage->head(study).sequence);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i + 1));
  }
  EXPECT_EQ(events[0].kind, "created");
  EXPECT_EQ(storage->events(study, 3, 2).size(), 2u);
  EXPECT_EQ(storage->events(study, 3, 2)[0].sequence, 4);
  EXPECT_TRUE(storage->events(study, 10'000, 10).empty());
}

TEST_P(Read, DeltasHoldWhatChangedAndNothingElse) {
  fill();
  const auto all = storage->changes_since(study, 0);
  EXPECT_EQ(all.trials.size(), 10u);
  EXPECT_EQ(all.reports.size(), 12u);
  EXPECT_EQ(all.decisions.size(), 6u);
  EXPECT_EQ(all.sequence, storage->head(study).sequence);
  EXPECT_EQ(describe(all.head), describe(storage->head(study)));

  const auto none = storage->changes_since(study, all.sequence);
  EXPECT_EQ(none.trials.size() + none.reports.size() + none.decisions.size(), 0u);
  EXPECT_EQ(none.sequence, all.sequence);
  EXPECT_EQ(storage->changes_since(study, all.sequence + 5).sequence, all.sequence);

  const auto f7 = storage->attempts(study, 7)[0].fence;
  const auto f8 = storage->attempts(study, 8)[0].fence;
  apply(ReportStep{8, f8, 2, {{"loss", 0.2}, {"accuracy", 0.3}}});
  apply(ReportStep{7, f7, 2, {{"loss", 0.4}}});
  apply(ReportStep{8, f8, 3, {{"loss", 0.1}}});
  apply(RecordDecision{8, f8, 3, "stop", nullptr});
  apply(StopTrial{8, f8, "rung 3"});
  const auto delta = storage->changes_since(study, all.sequence);
  EXPECT_EQ(describe(delta.reports), describe(std::vector<ReportRecord>{{8, 1, 2, "accuracy", 0.3},
                                                                        {8, 1, 2, "loss", 0.2},
                                                                        {7, 1, 2, "loss", 0.4},
                                                                        {8, 1, 3, "loss", 0.1}}));
  ASSERT_EQ(delta.trials.size(), 2u);
  EXPECT_EQ(delta.trials[0].number, 7);
  EXPECT_EQ(delta.trials[1].state, TrialState::stopped);
  ASSERT_EQ(delta.decisions.size(), 1u);
  EXPECT_EQ(delta.decisions[0].verdict, "stop");
}

TEST_P(Read, DeltasOfEveryChangeAddUpToTheWhole) {
  std::vector<ReportRecord> reports;
  std::vector<DecisionRecord> decisions;
  std::int64_t sequence = 0;
  const auto follow = [&] {
    const auto delta = storage->changes_since(study, sequence);
    reports.insert(reports.end(), delta.reports.begin(), delta.reports.end());
    decisions.insert(decisions.end(), delta.decisions.begin(), delta.decisions.end());
    EXPECT_LE(delta.trials.size(), 1u);
    sequence = delta.sequence;
  };
  for (int i = 0; i < 4; ++i) {
    apply(running_trial(i));
    follow();
  }
  for (int step = 1; step <= 5; ++step) {
    for (int i = 3; i >= 0; --i) {
      apply(ReportStep{i, i + 1, step, {{"loss", 1.0 / (step + i)}}});
      follow();
      apply(ReportStep{i, i + 1, step, {{"loss", 1.0 / (step + i)}, {"accuracy", step / 5.0}}});
      follow();
      apply(RecordDecision{i, i + 1, step, "continue", nullptr});
      follow();
    }
  }
  const auto all = storage->changes_since(study, 0);
  EXPECT_EQ(all.reports.size(), 40u);
  EXPECT_EQ(describe(reports), describe(all.reports));
  EXPECT_EQ(describe(decisions), describe(all.decisions));
}

TEST_P(Read, RunningTimeAndHeartbeatsAreInTheHeadOfADelta) {
  apply(AddRunningTime{kSecond});
  EXPECT_EQ(storage->changes_since(study, 0).head.running_time, kSecond);
}

TEST_P(Read, StudiesByNameAndByList) {
  const auto spec = small_spec("zebra");
  const nlohmann::json fingerprint{{"commit", "abc"}, {"inputs", {{"train.py", "00ff"}}}};
  const auto made = storage->create_study(spec, fingerprint);
  EXPECT_EQ(made.revision, 1);
  EXPECT_EQ(made.created, clock.now());
  const auto found = storage->find_study("zebra").value();
  EXPECT_EQ(found.id, made.id);
  EXPECT_EQ(found.fingerprint, fingerprint);
  EXPECT_EQ(to_json(found.spec), to_json(spec));
  EXPECT_EQ(found.spec.seed, spec.seed);
  EXPECT_EQ(describe(found.head), describe(StudyHead{}));
  EXPECT_FALSE(storage->find_study("zebr"));
  storage->create_study(small_spec("aardvark"), nullptr);
  const auto all = storage->studies();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all.front().name, "aardvark");
  EXPECT_EQ(all.back().name, "zebra");
  EXPECT_TRUE(all.front().fingerprint.is_null());
  try {
    storage->create_study(spec, nullptr);
    FAIL();
  } catch (const ConflictError& e) {
    EXPECT_THAT(e.what(), HasSubstr("zebra"));
  }
  EXPECT_THROW(storage->create_study(small_spec(""), nullptr), UsageError);
  EXPECT_THROW(storage->create_study(small_spec("\xff"), nullptr), UsageError);
  EXPECT_THROW(storage->head(made.id + 99), NotFoundError);
  EXPECT_THROW(storage->trials(made.id + 99, {}), NotFoundError);
  EXPECT_THROW(storage->changes_since(made.id + 99, 0), NotFoundError);
}

TEST_P(Read, AChangedSpecIsANewRevision) {
  apply(queued_trial());
  const auto name = storage->studies()[0].name;
  auto wider = small_spec(name);
  wider.space = Space({{"x", RealDomain{0, 100, Scale::linear, {}}, {}}});
  storage->update_spec(study, wider, {{"commit", "def"}});
  auto create = queued_trial();
  create.parameters = {{"x", 50.0}};
  EXPECT_EQ(apply(create).trial.value().revision, 2);
  EXPECT_EQ(storage->trial(study, 0)->revision, 1);
  EXPECT_EQ(to_json(storage->spec_at(study, 1)), to_json(small_spec(name)));
  EXPECT_EQ(to_json(storage->spec_at(study, 2)), to_json(wider));
  const auto record = storage->find_study(name).value();
  EXPECT_EQ(record.revision, 2);
  EXPECT_EQ(record.fingerprint, nlohmann::json({{"commit", "def"}}));
  EXPECT_EQ(record.head.next_trial, 2);
  EXPECT_THROW(storage->spec_at(study, 0), NotFoundError);
  EXPECT_THROW(storage->spec_at(study, 3), NotFoundError);
  EXPECT_THROW(storage->update_spec(study, small_spec("other"), nullptr), UsageError);
  EXPECT_THROW(storage->update_spec(study + 99, wider, nullptr), NotFoundError);
}

TEST_P(Read, ADeletedStudyIsGoneAndItsNumberStaysUnused) {
  fill();
  const auto other = make_study();
  storage->apply(other, queued_trial());
  const auto kept = everything(*storage, other);
  const auto name = storage->studies()[0].name;
  ASSERT_EQ(storage->find_study(name).value().id, study);
  storage->delete_study(study);
  EXPECT_FALSE(storage->find_study(name));
  EXPECT_THROW(storage->head(study), NotFoundError);
  EXPECT_THROW(apply(queued_trial()), NotFoundError);
  EXPECT_THROW(storage->delete_study(study), NotFoundError);
  EXPECT_EQ(everything(*storage, other), kept);
  storage->delete_study(other);
  const auto again = storage->create_study(small_spec(name), nullptr);
  EXPECT_GT(again.id, other);
  EXPECT_EQ(again.head.next_trial, 0);
  EXPECT_TRUE(storage->trials(again.id, {}).empty());
}

TEST_P(Read, ReopeningFindsEverything) {
  if (!GetParam().durable) GTEST_SKIP() << "gone with its process by design";
  fill();
  const auto before = everything(*storage, study);
  const auto url = storage->url();
  storage.reset();
  storage = open_storage(url, {.create = false, .clock = &clock});
  EXPECT_EQ(everything(*storage, study), before);
  const auto reader = open_again(true);
  EXPECT_EQ(everything(*reader, study), before);
  EXPECT_THROW(reader->apply(study, queued_trial()), StorageError);
  EXPECT_THROW(reader->create_study(small_spec(), nullptr), StorageError);
  EXPECT_THROW(reader->delete_study(study), StorageError);
  apply(queued_trial());
  EXPECT_EQ(everything(*reader, study), everything(*storage, study));
}

TEST_P(Read, AllImplementationsHoldTheSame) {
  ManualClock same_clock;
  const auto reference = open_storage("memory:", {.clock = &same_clock});
  storage = reference;
  study = make_study();
  fill();
  const auto expected = everything(*storage, study);
  TemporaryFolder fresh;
  storage = open_storage(GetParam().url(fresh.path()), {.clock = &same_clock});
  study = make_study();
  fill();
  EXPECT_EQ(everything(*storage, study), expected);
}

}  // namespace
}  // namespace krigon::testing
