// A change that PostgreSQL made and whose answer never arrived: the connection was cut in between. It is made
// once, and whoever made it hears what it would have heard. (Cuts at every moment: tests/e2e/faults.)

#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bad_line.hpp"
#include "fixture.hpp"
#include "krigon/error.hpp"
#include "storage/postgres_connection.hpp"

namespace krigon::testing {
namespace {

namespace fs = std::filesystem;

std::string describe(const Applied& applied) {
  return fmt::format("changed={} sequence={} {}\n{}\n{}", applied.changed, applied.sequence,
                     testing::describe(applied.head), testing::describe(applied.trial),
                     testing::describe(applied.attempt));
}

class LostAnswer : public ::testing::Test {
 protected:
  void SetUp() override {
    const Implementation& postgres = implementations().back();
    ASSERT_STREQ(postgres.name, "postgresql");
    if (!postgres.available()) GTEST_SKIP() << "no PostgreSQL server is installed";
    const std::string server = std::getenv("KRIGON_TEST_POSTGRES");
    url = postgres.url(folder.path());
    direct = open_storage(url, {.clock = &clock});
    line = std::make_unique<BadLine>(server, folder.path());
    std::string bad = url;
    bad.replace(bad.find(server), server.size(), folder.path().string());
    through = open_storage(bad, {.clock = &clock});
    study = direct->create_study(small_spec("over a bad line"), nullptr).id;
  }
  void TearDown() override {
    through.reset();
    direct.reset();
    drop_databases();
  }

  /// The command over the bad line, which breaks once its change is there; `meanwhile` happens before its
  /// sender is back.
  Applied cut(
      const Command& command, const std::function<void()>& meanwhile = [] {}) {
    const std::string before = everything(*direct, study) + testing::describe(direct->head(study));
    const int breaks = line->breaks();
    line->lose_answer([&, this] {
      if (everything(*direct, study) + testing::describe(direct->head(study)) == before) return false;
      meanwhile();
      return true;
    });
    Applied applied;
    std::exception_ptr refusal;
    try {
      applied = through->apply(study, command);
    } catch (const ConflictError&) {
      refusal = std::current_exception();
    }
    EXPECT_EQ(line->breaks(), breaks + 1) << "no answer was lost";
    if (refusal) std::rethrow_exception(refusal);
    return applied;
  }

  /// The trial is found to be lost, and another runs it; its attempt.
  AttemptRecord take_over(std::int64_t trial, std::int64_t fence) {
    direct->apply(study, FailAttempt{trial, fence, Outcome::lost, "its manager is gone"});
    return direct->apply(study, LeaseTrial{trial, "other", "h", kSecond}).attempt.value();
  }

  TemporaryFolder folder;
  ManualClock clock;
  std::string url;
  std::shared_ptr<Storage> direct, through;
  std::unique_ptr<BadLine> line;
  std::int64_t study = 0;
};

CreateTrial held_trial(int i) {
  auto create = running_trial(i);
  create.worker = "w";
  create.lease = kSecond;
  return create;
}

TEST_F(LostAnswer, IsAsIfItHadComeAndTheChangeIsMadeOnce) {
  auto with_key = queued_trial(2);
  with_key.key = "mine";
  auto proposed = queued_trial(3);
  proposed.expect_number = 3;
  proposed.suggester = 1;
  const TimeUs until = clock.time + 2 * kSecond;
  const std::vector<Command> story{
      queued_trial(0),
      LeaseNext{"w", "h", kSecond, nullptr, "key", true},
      RenewLease{0, 1, 3 * kSecond},
      ReportStep{0, 1, 1, {{"loss", 0.5}, {"other", 2}}},
      RecordDecision{0, 1, 1, "continue", {{"rung", 1}}},
      CompleteTrial{0, 1, {{"loss", 0.25}}, 0},
      held_trial(1),
      FailAttempt{1, 2, Outcome::lost, "its manager is gone"},
      LeaseTrial{1, "w", "h", kSecond, nullptr, "another key"},
      PauseTrial{1, 3, "third"},
      ResumeTrial{1, {{"rung", 2}}},
      LeaseNext{"w", "h", kSecond, nullptr, "", false},
      ReleaseTrial{1, 4, "asked to leave"},
      CancelTrial{1, "by a person"},
      with_key,
      LeaseNext{"w", "h", kSecond, nullptr, "", true},
      StopTrial{2, 5, "worse than others"},
      TakeSuggester{"w", kSecond, "", 0},
      proposed,
      ReviseProposal{3, point(4), {.sampler = "sobol", .saw_sequence = 4}, 1},
      LeaseNext{"w", "h", 2 * kSecond, nullptr, "", false},
      FailAttempt{3, 6, Outcome::lost, "gone", {}, {}, "", true, until},
  };
  const auto twin = direct->create_study(small_spec("over a good one"), nullptr).id;
  for (std::size_t i = 0; i < story.size(); ++i) {
    const Applied applied = cut(story[i]);
    EXPECT_EQ(describe(applied), describe(direct->apply(twin, story[i])))
        << "command " << i << " of the story";
    EXPECT_TRUE(applied.changed);
  }
  EXPECT_EQ(everything(*direct, study), everything(*direct, twin));
  EXPECT_EQ(line->breaks(), static_cast<int>(story.size()));
}

TEST_F(LostAnswer, OfALeaseThatWasLostMeanwhileIsItsOwnAndNotAnothers) {
  struct Case {
    const char* what;
    std::function<Command(std::int64_t trial)> command;
    bool begins;  ///< the attempt itself
  };
  const std::vector<Case> cases{
      {"the head of the queue", [](std::int64_t) { return LeaseNext{"w", "h", kSecond, nullptr, "", false}; },
       true},
      {"with a key",
       [](std::int64_t trial) {
         return LeaseNext{"w", "h", kSecond, nullptr, fmt::format("key {}", trial), false};
       },
       true},
      {"by its number",
       [](std::int64_t trial) {
         return LeaseTrial{trial, "w", "h", kSecond};
       },
       true},
      {"a new one", [](std::int64_t trial) { return held_trial(static_cast<int>(trial)); }, true},
      {"a report",
       [](std::int64_t trial) {
         return ReportStep{trial, 0, 1, {{"loss", 0.5}}};
       },
       false},
      {"a verdict",
       [](std::int64_t trial) {
         return RecordDecision{trial, 0, 1, "stop", {}};
       },
       false},
  };
  for (const bool taken : {true, false}) {
    for (const Case& each : cases) {
      SCOPED_TRACE(fmt::format("{}, {}", each.what, taken ? "given to another" : "requeued"));
      const std::int64_t trial = direct->head(study).next_trial;
      const bool makes = std::string_view(each.what) == "a new one";
      std::int64_t fence = direct->head(study).fence + 1;
      Command command = each.command(trial);
      if (!makes) direct->apply(study, queued_trial(static_cast<int>(trial)));
      if (!each.begins) {
        fence = through->apply(study, LeaseTrial{trial, "w", "h", kSecond}).attempt.value().fence;
        if (auto* report = std::get_if<ReportStep>(&command)) report->fence = fence;
        if (auto* verdict = std::get_if<RecordDecision>(&command)) verdict->fence = fence;
      }
      AttemptRecord other;
      std::int64_t sequence = 0;
      const Applied applied = cut(command, [&] {
        sequence = direct->head(study).sequence;
        if (taken) {
          other = take_over(trial, fence);
        } else {
          direct->apply(study, FailAttempt{trial, fence, Outcome::lost, "its manager is gone"});
        }
      });
      EXPECT_TRUE(applied.changed);
      EXPECT_EQ(applied.sequence, sequence);
      EXPECT_EQ(applied.trial.value().number, trial);
      EXPECT_EQ(applied.trial->state, taken ? TrialState::running : TrialState::queued);
      const AttemptRecord& attempt = applied.attempt.value();
      EXPECT_EQ(attempt.worker, "w");
      EXPECT_EQ(attempt.number, 1);
      EXPECT_EQ(attempt.fence, fence);
      EXPECT_EQ(attempt.outcome, Outcome::lost);
      EXPECT_THROW(through->apply(study, CompleteTrial{trial, attempt.fence, {{"loss", 9}}, 0}),
                   LeaseLostError);
      EXPECT_THROW(through->apply(study, RenewLease{trial, attempt.fence, kSecond}), LeaseLostError);
      if (!taken) other = direct->apply(study, LeaseTrial{trial, "other", "h", kSecond}).attempt.value();
      EXPECT_NE(other.fence, fence);
      const Metrics metrics{{"loss", 0.5}};
      EXPECT_EQ(direct->apply(study, CompleteTrial{trial, other.fence, metrics, 0}).trial->metrics, metrics);
    }
  }
}

TEST_F(LostAnswer, OfAHeartbeatWhoseTrialIsAnothersByThenIsARefusal) {
  const std::int64_t fence = through->apply(study, held_trial(0)).attempt.value().fence;
  AttemptRecord other;
  EXPECT_THROW(cut(RenewLease{0, fence, 5 * kSecond}, [&] { other = take_over(0, fence); }), LeaseLostError);
  EXPECT_EQ(testing::describe(direct->attempts(study, 0).back()), testing::describe(other));
}

TEST_F(LostAnswer, WhatIsStillOnItsWayIsNotMadeAfterAll) {
  through->apply(study, held_trial(0));  // so that the next is one statement
  detail::PostgresConnection holder(url, false);
  holder.begin("BEGIN");
  detail::PostgresQuery locked(holder, "SELECT 1 FROM krigon.study WHERE id = ? FOR UPDATE", study);
  ASSERT_TRUE(locked.next());
  // The server goes on with it for as long as it waits for the lock, whoever has left.
  line->hang_up();
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    holder.rollback();
  });
  const Applied applied = through->apply(study, held_trial(1));
  release.join();
  EXPECT_EQ(line->breaks(), 1);
  EXPECT_EQ(applied.trial.value().number, 1);
  EXPECT_EQ(applied.attempt.value().fence, 2);
  EXPECT_EQ(direct->head(study).next_trial, 2);
  EXPECT_EQ(direct->head(study).sequence, 2);
}

TEST_F(LostAnswer, LocksOfOneThatFellSilentAreTakenFromIt) {
  through->apply(study, queued_trial(0));
  detail::PostgresConnection silent(url, false);
  silent.begin_writing();
  detail::PostgresQuery locked(silent, "SELECT 1 FROM krigon.study WHERE id = ? FOR UPDATE", study);
  ASSERT_TRUE(locked.next());
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(direct->apply(study, queued_trial(1)).trial.value().number, 1);
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - began;
  EXPECT_GT(waited.count(), 4) << "it was not waited for";
  EXPECT_LT(waited.count(), 20);
  EXPECT_THROW(silent.ask("COMMIT"), detail::PostgresLost);
}

TEST_F(LostAnswer, OfAStudyMadeOrDeletedIsNoConflictWithItself) {
  line->lose_answer([&] { return direct->find_study("another").has_value(); });
  const StudyRecord made = through->create_study(small_spec("another"), {{"commit", "abc"}});
  EXPECT_EQ(line->breaks(), 1);
  EXPECT_EQ(made.id, direct->find_study("another").value().id);
  EXPECT_EQ(direct->studies().size(), 2U);
  EXPECT_THROW(direct->create_study(small_spec("another"), {{"commit", "abc"}}), ConflictError);
  line->lose_answer([&] { return !direct->find_study("another").has_value(); });
  through->delete_study(made.id);
  EXPECT_EQ(line->breaks(), 2);
  EXPECT_EQ(direct->studies().size(), 1U);
  EXPECT_THROW(through->delete_study(made.id), NotFoundError);
}

}  // namespace
}  // namespace krigon::testing
