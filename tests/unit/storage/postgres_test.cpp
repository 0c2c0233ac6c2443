// What is PostgreSQL's alone: addresses, servers that go away. The contract is tests/conformance/storage.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_schema.hpp"
#include "storage/storage.hpp"

namespace krigon {
namespace {

using detail::PostgresConnection;
using detail::PostgresQuery;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Postgres, WhereNoServerAnswersTheErrorSaysSo) {
  EXPECT_THAT([] { open_storage("postgresql://krigon:s3cret@/db?host=/nowhere/at/all"); },
              ThrowsMessage<StorageError>(AllOf(HasSubstr("no server answers"), HasSubstr("/nowhere/at/all"),
                                                ::testing::Not(HasSubstr("s3cret")))));
}

StudySpec spec(const std::string& name) {
  StudySpec made;
  made.name = name;
  made.objectives = {{"loss", Direction::minimize}};
  made.space = Space({{"x", RealDomain{0, 1, Scale::linear, {}}, {}}});
  made.trial.command = {"train"};
  return made;
}

CreateTrial running(double x) {
  CreateTrial create;
  create.parameters = {{"x", x}};
  create.worker = "w";
  return create;
}

/// A server of the test's own, which can be killed.
class PostgresServer : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/krigon-pg-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    ASSERT_EQ(server("start"), 0);
    if (!std::filesystem::exists(folder_ + "/data")) GTEST_SKIP() << "no PostgreSQL server is installed";
    url_ = "postgresql://krigon@/postgres?host=" + folder_;
  }
  void TearDown() override { server("stop"); }

  int server(const std::string& action) const {
    return std::system(
        fmt::format("'{}/tests/support/postgres_server' {} {} fsync=on </dev/null >/dev/null 2>&1",
                    KRIGON_SOURCE_DIR, action, folder_)
            .c_str());
  }

  std::string folder_, url_;
};

TEST_F(PostgresServer, WhatIsNotThereIsSaidInWords) {
  EXPECT_FALSE(store_exists(url_));
  EXPECT_THAT([&] { open_storage(url_, {.create = false}); },
              ThrowsMessage<StorageError>(HasSubstr("the database holds no store")));
  EXPECT_THAT([&] { open_storage(url_, {.read_only = true}); },
              ThrowsMessage<StorageError>(HasSubstr("the database holds no store")));
  EXPECT_THAT([&] { open_storage("postgresql://krigon@/other?host=" + folder_); },
              ThrowsMessage<StorageError>(AllOf(HasSubstr("refuses"), HasSubstr("other"))));
  const auto storage = open_storage(url_);
  EXPECT_TRUE(store_exists(url_));
  const auto study = storage->create_study(spec("s"), nullptr).id;
  EXPECT_THAT([&] { open_storage(url_, {.read_only = true})->apply(study, running(0.5)); },
              ThrowsMessage<StorageError>(HasSubstr("read-only")));
  // No text of ours, and nothing is left of it.
  auto create = running(0.5);
  create.key = std::string("a\0b", 3);
  EXPECT_THAT([&] { storage->apply(study, create); }, ThrowsMessage<StorageError>(HasSubstr("zero bytes")));
  create.key = "\xff";
  EXPECT_THAT([&] { storage->apply(study, create); }, ThrowsMessage<StorageError>(HasSubstr("UTF-8")));
  EXPECT_EQ(storage->head(study).next_trial, 0);
  EXPECT_EQ(storage->apply(study, running(0.5)).trial->number, 0);
}

TEST_F(PostgresServer, ANewerSchemaIsRefused) {
  open_storage(url_);
  PostgresConnection(url_, false).execute("UPDATE krigon.schema_version SET version = 99");
  EXPECT_THAT([&] { open_storage(url_); },
              ThrowsMessage<StorageError>(AllOf(HasSubstr("newer Krigon"), HasSubstr("99"))));
}

TEST_F(PostgresServer, AStoreOfTheFirstSchemaGoesOn) {
  {
    // As the first version wrote it: a trial that completed, one that runs and one that is queued.
    PostgresConnection connection(url_, false);
    migrate_postgres(connection, 1);
    ASSERT_EQ(postgres_version(connection), 1);
    auto maximized = spec("s");
    maximized.objectives.front().direction = Direction::maximize;
    PostgresQuery(connection,
                  "INSERT INTO study(name, revision, created, next_trial, sequence, fence, queued, running, "
                  "completed, best_trial, best_value) VALUES('s', 1, 5, 3, 6, 2, 1, 1, 1, 0, 0.25)")
        .run();
    PostgresQuery(connection, "INSERT INTO revision VALUES(1, 1, ?, NULL, 5)", to_json(maximized).dump())
        .run();
    for (int i = 0; i < 3; ++i) {
      const char* states[] = {"completed", "running", "queued"};
      PostgresQuery(
          connection,
          "INSERT INTO trial(id, study, number, revision, state, front, attempts, losses, outcome, "
          "ended_sequence, created, started, ended_at, parameters, metrics, reason, sampler, "
          "saw_sequence, note) VALUES(?, 1, ?, 1, ?, 0, ?, 0, ?, ?, 5, 5, 5, ?, ?, '', 'random', 0, '')",
          (std::int64_t{1} << 40) + i, i, states[i], i < 2 ? 1 : 0, i == 0 ? "completed" : "none",
          i == 0 ? 6 : 0, to_json(running(0.5).parameters).dump(),
          i == 0 ? std::optional<std::string>(R"({"loss": 0.25})") : std::nullopt)
          .run();
      if (i == 2) continue;
      PostgresQuery(connection,
                    "INSERT INTO attempt(trial, number, worker, fence, lease_until, outcome, host, "
                    "stderr_tail, started, ended_at) VALUES(?, 1, 'w', ?, 0, ?, 'h', '', 5, ?)",
                    (std::int64_t{1} << 40) + i, i + 1, i == 0 ? "completed" : "none", i == 0 ? 6 : 0)
          .run();
    }
    PostgresQuery(connection, "SELECT 1").next();
  }
  EXPECT_THAT([&] { open_storage(url_, {.read_only = true}); },
              ThrowsMessage<StorageError>(HasSubstr("older Krigon")));
  const auto storage = open_storage(url_);
  const auto study = storage->find_study("s").value();
  EXPECT_EQ(study.head.running, 1);
  EXPECT_EQ(study.head.paused, 0);
  const auto best = storage->window(study.id, 1, 10);
  ASSERT_FALSE(best.trials.empty());
  EXPECT_EQ(best.trials[0].metrics.at("loss"), 0.25);
  EXPECT_EQ(storage->apply(study.id, CompleteTrial{1, 2, {{"loss", 0.5}}, 0}).head.best_trial, 1);
  EXPECT_EQ(storage->apply(study.id, LeaseNext{"w", "h", kSecond, nullptr, "", false}).trial->number, 2);
  // In the order of what is better, the one that the old version wrote too.
  EXPECT_EQ(storage->window(study.id, 2, 1).trials[0].number, 1);
}

TEST_F(PostgresServer, ItsClockRules) {
  const auto storage = open_storage(url_);
  const auto study = storage->create_study(spec("s"), nullptr);
  PostgresConnection connection(url_, true);
  PostgresQuery now(connection, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  ASSERT_TRUE(now.next());
  const auto created = storage->apply(study.id, running(0.1)).trial->created;
  EXPECT_NEAR(static_cast<double>(created - now.integer(0)), 0, 5e6);
  EXPECT_GE(created, now.integer(0));
}

TEST_F(PostgresServer, KilledAndStartedAgainNothingToldIsLostOrThereTwice) {
  const auto storage = open_storage(url_);
  const auto study = storage->create_study(spec("s"), nullptr).id;
  std::atomic<bool> stop{false};
  std::atomic<int> told{0};
  std::vector<std::string> errors(4);
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < errors.size(); ++w) {
    workers.emplace_back([&, w] {
      try {
        while (!stop) {
          const auto asked = storage->apply(study, running(0.5));
          const Metrics metrics{{"loss", static_cast<double>(asked.trial->number)}};
          storage->apply(study, CompleteTrial{asked.trial->number, asked.attempt->fence, metrics, 0});
          ++told;
        }
      } catch (const std::exception& e) {
        errors[w] = e.what();
      }
    });
  }
  const auto go_on = [&] {
    const int enough = told + 50;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (told < enough && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GE(told, enough);
  };
  for (int round = 0; round < 3; ++round) {
    go_on();
    EXPECT_EQ(server("kill"), 0);
    EXPECT_EQ(server("restart"), 0);
  }
  go_on();
  stop = true;
  for (std::thread& worker : workers) worker.join();
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  const StudyHead head = storage->head(study);
  EXPECT_EQ(head.completed, told);
  EXPECT_EQ(head.next_trial, told);
  EXPECT_EQ(head.sequence, 2 * static_cast<std::int64_t>(told));
  std::int64_t number = 0;
  for (const TrialRecord& trial : storage->trials(study, {})) {
    EXPECT_EQ(trial.number, number);
    EXPECT_EQ(trial.metrics.at("loss"), static_cast<double>(number));
    ++number;
  }
  EXPECT_EQ(number, told);
}

}  // namespace
}  // namespace krigon
