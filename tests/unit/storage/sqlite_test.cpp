// The SQLite file itself: how durable it is set up, its schema and migrations, its locks.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include <fmt/format.h>

#include "fixture.hpp"
#include "storage/place.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_file.hpp"
#include "storage/sqlite_schema.hpp"

namespace krigon::testing {
namespace {

using namespace detail;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SqliteTest : public ::testing::Test {
 protected:
  std::int64_t number(Connection& connection, const char* sql) {
    Query query(connection, sql);
    return query.next() ? query.integer(0) : -1;
  }

  TemporaryFolder folder;
  const std::string path = (folder.path() / "store.db").string();
};

TEST_F(SqliteTest, EveryCommitReachesTheDisk) {
  SqliteFile file(path, true, false);
  const auto writer = file.writer();
  constexpr std::int64_t kFull = 2;
  EXPECT_GE(number(*writer, "PRAGMA synchronous"), kFull);
  EXPECT_EQ(number(*writer, "PRAGMA foreign_keys"), 1);
  Query mode(*writer, "PRAGMA journal_mode");
  ASSERT_TRUE(mode.next());
  EXPECT_EQ(mode.text(0), "wal");
}

TEST_F(SqliteTest, TheFileSaysWhoseItIsAndWhichVersion) {
  open_storage(path);
  Connection connection(path, Connection::Mode::read_only);
  EXPECT_EQ(number(connection, "PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(number(connection, "PRAGMA user_version"), static_cast<std::int64_t>(migrations().size()));
}

TEST_F(SqliteTest, NonFiniteNumbersCannotBeWrittenEvenByHand) {
  const auto study = open_storage(path)->create_study(small_spec("s"), nullptr);
  open_storage(path)->apply(study.id, running_trial());
  Connection connection(path, Connection::Mode::read_write);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr const char* kReport =
      "INSERT INTO report(trial, attempt, step, metric, value, sequence) VALUES(?, 1, 1, 'm', ?, 1)";
  for (const double bad : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(Query(connection, kReport, pack(study.id, 0), bad).run(), SqliteError);
    EXPECT_THROW(Query(connection, "UPDATE event SET best_value = ?", bad).run(), SqliteError);
  }
  EXPECT_THROW(Query(connection, kReport, pack(study.id, 0), "0.5").run(), SqliteError);
  EXPECT_THROW(Query(connection, kReport, pack(study.id, 7), 0.5).run(), SqliteError);  // no such trial
  Query(connection, kReport, pack(study.id, 0), std::numeric_limits<double>::max()).run();
}

std::vector<sqlite3*>& opened() {
  static std::vector<sqlite3*> all;
  return all;
}

int remember(sqlite3* db, char**, const sqlite3_api_routines*) {
  opened().push_back(db);
  return SQLITE_OK;
}

TEST_F(SqliteTest, NoOperationWalksThroughAllTrials) {
  auto* const entry = reinterpret_cast<void (*)()>(&remember);
  sqlite3_auto_extension(entry);
  const auto storage = open_storage(path);
  const auto study = storage->create_study(small_spec("s"), nullptr).id;
  for (int i = 0; i < 300; ++i) storage->apply(study, queued_trial(i));
  for (int i = 0; i < 300; i += 2) {
    const auto leased = storage->apply(study, LeaseNext{"w", "h", kSecond, nullptr, "", false});
    const auto number = leased.trial->number, f = leased.attempt->fence;
    storage->apply(study, ReportStep{number, f, 1, {{"loss", 0.5}}});
    storage->apply(study, RecordDecision{number, f, 1, "continue", nullptr});
    if (i < 280) storage->apply(study, CompleteTrial{number, f, {{"loss", 0.5}}, 0});
  }
  storage->apply(study, LeaseTrial{299, "w", "h", kSecond, nullptr});
  storage->apply(study, ReleaseTrial{299, storage->head(study).fence, ""});
  auto keyed = queued_trial();
  keyed.key = "k";
  storage->apply(study, keyed);
  storage->apply(study, keyed);
  EXPECT_EQ(storage->running_attempts(study).size(), 10u);
  EXPECT_EQ(storage->trials(study, {TrialState::running, 0, INT64_MAX}).size(), 10u);
  EXPECT_EQ(storage->changes_since(study, storage->head(study).sequence - 1).trials.size(), 1u);
  storage->find_study("s");
  sqlite3_cancel_auto_extension(entry);
  int statements = 0;
  for (auto* db : opened()) {
    for (auto* s = sqlite3_next_stmt(db, nullptr); s; s = sqlite3_next_stmt(db, s), ++statements) {
      EXPECT_EQ(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0) << sqlite3_sql(s);
      EXPECT_EQ(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_AUTOINDEX, 0), 0) << sqlite3_sql(s);
    }
  }
  EXPECT_GT(statements, 15);
}

constexpr Migration kSecond_{"ALTER TABLE study ADD COLUMN note TEXT; UPDATE study SET note = 'migrated'"};

TEST_F(SqliteTest, AnOlderFileIsBroughtForwardStepByStep) {
  open_storage(path)->create_study(small_spec("kept"), nullptr);
  Connection connection(path, Connection::Mode::read_write);
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.push_back(kSecond_);
  steps.push_back({"CREATE TABLE later(id INTEGER PRIMARY KEY)"});
  migrate(connection, steps);
  EXPECT_EQ(number(connection, "PRAGMA user_version"), static_cast<std::int64_t>(steps.size()));
  EXPECT_EQ(number(connection, "SELECT count(*) FROM study WHERE note = 'migrated'"), 1);
  EXPECT_EQ(number(connection, "SELECT count(*) FROM later"), 0);
  migrate(connection, steps);
}

TEST_F(SqliteTest, AFileOfTheFirstSchemaKeepsItsTrials) {
  {
    Connection connection(path, Connection::Mode::create);
    migrate(connection, migrations().first(1));
    connection.execute(
        fmt::format(
            "INSERT INTO study(name, revision, created, next_trial, sequence, fence, queued, completed, "
            "best_trial, best_value) VALUES('old', 1, 1, 2, 3, 2, 1, 1, 0, 0.25);"
            "INSERT INTO study(name, revision, created) VALUES('empty', 1, 1);"
            "INSERT INTO revision SELECT id, 1, '{}', NULL, 1 FROM study;",
            to_json(small_spec("old")).dump())
            .c_str());
    for (const auto* row : {"1 << 40, 1, 0, 1, 'completed', 0, 2, 1, 'completed', 3, 1, 1, 1, NULL, "
                            "'{\"kind\":\"a\",\"n\":1,\"x\":0.5}', '{\"loss\":0.25}', ''",
                            "1 << 40 | 1, 1, 1, 1, 'queued', 1, 0, 0, 'none', 0, 1, 0, 0, NULL, "
                            "'{\"kind\":\"b\",\"n\":2,\"x\":0.5}', NULL, ''"}) {
      connection.execute(
          fmt::format("INSERT INTO trial VALUES({}, 'random', 0, NULL, NULL, '')", row).c_str());
    }
    connection.execute(
        "INSERT INTO attempt VALUES"
        "(1 << 40, 1, 'first', 1, 9, 'lost', NULL, 9, 'h', NULL, 'killed', 1, 2), "
        "(1 << 40, 2, 'second', 2, 9, 'completed', 0, NULL, 'h', '{\"gpus\":[1]}', '', 3, 4);"
        "INSERT INTO event(id, time, kind, trial, attempt) VALUES"
        "(1 << 40 | 1, 1, 'created', 1 << 40, 1), (1 << 40 | 2, 1, 'created', 1 << 40 | 1, 0), "
        "(1 << 40 | 3, 4, 'completed', 1 << 40, 2)");
  }
  const auto storage = open_storage(path);
  const auto study = storage->find_study("old").value();
  EXPECT_EQ(study.head.completed, 1);
  EXPECT_EQ(study.head.queued, 1);
  EXPECT_EQ(study.head.paused, 0);
  EXPECT_EQ(study.head.sequence, 3);
  EXPECT_EQ(study.head.fence, 2);
  EXPECT_EQ(study.head.best_trial, 0);
  EXPECT_EQ(study.head.best_value, 0.25);
  const auto empty = storage->find_study("empty").value().head;
  EXPECT_EQ(empty.next_trial, 0);
  EXPECT_EQ(empty.best_trial, -1);
  const auto attempts = storage->attempts(study.id, 0);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].worker, "first");
  EXPECT_EQ(attempts[0].stderr_tail, "killed");
  EXPECT_EQ(attempts[0].signal, 9);
  EXPECT_EQ(attempts[1].worker, "second");
  EXPECT_EQ(attempts[1].outcome, Outcome::completed);
  EXPECT_EQ(attempts[1].resources.at("gpus").at(0), 1);
  const auto trials = storage->trials(study.id, {});
  ASSERT_EQ(trials.size(), 2u);
  EXPECT_EQ(trials[0].state, TrialState::completed);
  EXPECT_EQ(trials[0].metrics.at("loss"), 0.25);
  EXPECT_EQ(trials[0].proposal.parent, -1);
  Connection connection(path, Connection::Mode::read_write);
  EXPECT_EQ(number(connection, "SELECT count(*) FROM trial WHERE loss = 0.25"), 1);
  LeaseNext next;
  next.worker = "w";
  EXPECT_EQ(storage->apply(study.id, next).trial.value().number, 1);
  const auto begun = storage->apply(study.id, running_trial(3));
  EXPECT_EQ(storage->apply(study.id, PauseTrial{2, begun.attempt->fence, ""}).head.paused, 1);
}

TEST_F(SqliteTest, AFailedMigrationLeavesTheFileAsItWas) {
  open_storage(path)->create_study(small_spec("kept"), nullptr);
  const auto version = static_cast<std::int64_t>(migrations().size());
  {
    Connection connection(path, Connection::Mode::read_write);
    std::vector<Migration> steps(migrations().begin(), migrations().end());
    steps.push_back({"ALTER TABLE study ADD COLUMN note TEXT; INSERT INTO nowhere VALUES(1)"});
    EXPECT_THROW(migrate(connection, steps), SqliteError);
    EXPECT_FALSE(connection.in_transaction());
    EXPECT_EQ(number(connection, "PRAGMA user_version"), version);
    EXPECT_EQ(number(connection, "SELECT count(*) FROM pragma_table_info('study') WHERE name = 'note'"), 0);
  }
  EXPECT_TRUE(open_storage(path)->find_study("kept"));
}

TEST_F(SqliteTest, ManyMigrateAtOnce) {
  open_storage(path)->create_study(small_spec("kept"), nullptr);
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.push_back(kSecond_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      Connection connection(path, Connection::Mode::read_write);
      migrate(connection, steps);
    });
  }
  for (auto& t : threads) t.join();
  Connection connection(path, Connection::Mode::read_write);
  EXPECT_EQ(number(connection, "PRAGMA user_version"), static_cast<std::int64_t>(steps.size()));
}

TEST_F(SqliteTest, AFileThatWasBegunAndNotFinishedIsFinished) {
  // Killed between switching the log on and making the schema: a header, no tables.
  { Connection(path, Connection::Mode::create).execute("PRAGMA journal_mode = WAL"); }
  EXPECT_GT(std::filesystem::file_size(path), 0u);
  EXPECT_TRUE(open_storage(path)->studies().empty());
}

TEST_F(SqliteTest, ALockThatLastsIsAnErrorThatSaysSo) {
  open_storage(path);
  Connection holder(path, Connection::Mode::read_write);
  Connection waiter(path, Connection::Mode::read_write);
  std::vector<std::string> asked;
  const Patience patience = [&](std::chrono::milliseconds waited, const std::string& why) {
    asked.push_back(why);
    return waited < std::chrono::milliseconds(1500);
  };
  waiter.set_patience(&patience);
  Transaction held(holder, Transaction::Kind::write);
  Transaction reading(waiter, Transaction::Kind::read);  // readers are not held up
  EXPECT_EQ(number(waiter, "SELECT count(*) FROM study"), 0);
  waiter.rollback();
  try {
    Transaction(waiter, Transaction::Kind::write);
    FAIL();
  } catch (const StoreAwayError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(path), HasSubstr("locked for 2 s"), HasSubstr("fuser")));
  }
  EXPECT_THAT(asked, ElementsAre(HasSubstr("locked for 1 s"), HasSubstr("locked for 2 s")));
  EXPECT_EQ(kPatience, std::chrono::seconds(30));
}

TEST_F(SqliteTest, AWriterWaitsForALockThatIsGivenUp) {
  open_storage(path);
  Connection holder(path, Connection::Mode::read_write);
  Connection waiter(path, Connection::Mode::read_write);
  auto held = std::make_unique<Transaction>(holder, Transaction::Kind::write);
  std::atomic<bool> got{false};
  std::thread thread([&] {
    Transaction transaction(waiter, Transaction::Kind::write);
    got = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(got);
  held.reset();
  thread.join();
  EXPECT_TRUE(got);
}

TEST(Place, NetworkFileSystemsAreKnown) {
  EXPECT_STREQ(network_file_system(0x6969), "NFS");
  EXPECT_STREQ(network_file_system(0xFF534D42), "CIFS");
  EXPECT_STREQ(network_file_system(0xFE534D42), "SMB2");
  EXPECT_EQ(network_file_system(0xEF53), nullptr);      // ext4
  EXPECT_EQ(network_file_system(0x01021994), nullptr);  // tmpfs
  EXPECT_EQ(network_file_system(0x9123683E), nullptr);  // btrfs
}

}  // namespace
}  // namespace krigon::testing
