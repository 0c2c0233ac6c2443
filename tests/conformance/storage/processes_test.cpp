// Stores that several processes use at once, and what is left when some of them are killed.
#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

using std::chrono::steady_clock;

/// The durable implementations; a store in memory has no other processes.
std::vector<Implementation> durable() {
  std::vector<Implementation> result;
  for (const auto& i : implementations()) {
    if (i.durable) result.push_back(i);
  }
  return result;
}

/// Lines that children write and the parent reads.
class Lines {
 public:
  Lines() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  ~Lines() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  /// In a child. Short enough to be written whole or not at all.
  void say(std::string line) const {
    line += '\n';
    const auto written = write(ends_[1], line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size())) _exit(9);
  }
  /// In the parent: what has come until `until`, or until all children are gone when nullopt.
  void read_until(std::optional<steady_clock::time_point> until) {
    if (!until && ends_[1] >= 0) {
      close(ends_[1]);
      ends_[1] = -1;
    }
    for (;;) {
      int wait = -1;
      if (until) {
        const auto left = *until - steady_clock::now();
        wait = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
        if (wait <= 0) return;
      }
      pollfd ready{ends_[0], POLLIN, 0};
      if (poll(&ready, 1, wait) <= 0) continue;
      char block[65536];
      const auto got = read(ends_[0], block, sizeof block);
      if (got <= 0) return;
      text_.append(block, static_cast<std::size_t>(got));
    }
  }
  std::vector<std::string> all() const {
    std::vector<std::string> result;
    std::istringstream in(text_);
    for (std::string line; std::getline(in, line);) result.push_back(line);
    return result;
  }

 private:
  int ends_[2] = {-1, -1};
  std::string text_;
};

class Processes : public StorageTest {
 protected:
  void SetUp() override {
    StorageTest::SetUp();
    if (storage == nullptr) return;
    url = GetParam().url(folder.path());
    storage.reset();  // no store may be used across a fork
  }

  /// Runs body in a child, which says "error ..." for what it throws.
  template <class Body>
  pid_t start(const Lines& lines, Body body) {
    const pid_t child = fork();
    if (child != 0) return child;
    int status = 0;
    try {
      body();
    } catch (const std::exception& e) {
      lines.say(fmt::format("error {}", std::string(e.what()).substr(0, 1000)));
      status = 1;
    }
    _exit(status);
  }

  static void expect_success(const std::vector<pid_t>& children) {
    for (const auto child : children) {
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
    }
  }

  /// Rows, head and events agree, and SQLite finds no damage.
  void expect_whole() {
    storage = open_storage(url, {.create = false});
    const auto delta = storage->changes_since(study, 0);
    std::map<TrialState, std::int64_t> counts;
    for (std::size_t i = 0; i < delta.trials.size(); ++i) {
      EXPECT_EQ(delta.trials[i].number, static_cast<std::int64_t>(i));
      ++counts[delta.trials[i].state];
    }
    EXPECT_EQ(delta.head.next_trial, static_cast<std::int64_t>(delta.trials.size()));
    EXPECT_EQ(delta.head.running, counts[TrialState::running]);
    EXPECT_EQ(delta.head.queued, counts[TrialState::queued]);
    EXPECT_EQ(delta.head.completed, counts[TrialState::completed]);
    // A server may still be at what a process asked of it before it was killed.
    const auto events = storage->events(study, 0, delta.head.sequence);
    EXPECT_EQ(static_cast<std::int64_t>(events.size()), delta.head.sequence);
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i + 1));
    }
    storage.reset();
    if (std::string_view(GetParam().name) != "sqlite") return;
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder.path() / "store.db").c_str(), &db), SQLITE_OK);
    std::string verdict;
    sqlite3_exec(
        db, "PRAGMA integrity_check; PRAGMA foreign_key_check",
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) += values[0];
          return 0;
        },
        &verdict, nullptr);
    sqlite3_close(db);
    EXPECT_EQ(verdict, "ok");
  }

  std::string url;
};
INSTANTIATE_TEST_SUITE_P(Storage, Processes, ::testing::ValuesIn(durable()), implementation_name);

TEST_P(Processes, ThirtyTwoWritersAreNeverLockedOut) {
  constexpr int kProcesses = 32, kEach = 20;
  Lines lines;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(start(lines, [&, p] {
      const auto own = open_storage(url);
      for (int i = 0; i < kEach; ++i) {
        const auto asked = own->apply(study, running_trial(i));
        const auto number = asked.trial->number;
        own->apply(study, ReportStep{number, asked.attempt->fence, 1, {{"loss", 0.5}}});
        own->apply(study, CompleteTrial{number, asked.attempt->fence, {{"loss", 1.0 + p}}, 0});
        if (own->head(study).completed < 1) throw std::runtime_error("a reader saw an older state");
      }
    }));
  }
  lines.read_until(std::nullopt);
  expect_success(children);
  EXPECT_THAT(lines.all(), ::testing::IsEmpty());
  expect_whole();
  storage = open_storage(url);
  EXPECT_EQ(storage->head(study).completed, kProcesses * kEach);
  EXPECT_EQ(storage->head(study).sequence, 3 * kProcesses * kEach);
  EXPECT_EQ(storage->head(study).best_value, 1.0);
}

TEST_P(Processes, ShortLivedProcessesTakeTurns) {
  // What `krigon report` in many trials does: open, one change, close, which takes and drops locks
  // that a process which stays never touches.
  constexpr int kProcesses = 16, kEach = 12;
  Lines lines;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(start(lines, [&] {
      for (int i = 0; i < kEach; ++i) open_storage(url)->apply(study, queued_trial(i));
    }));
  }
  lines.read_until(std::nullopt);
  expect_success(children);
  EXPECT_THAT(lines.all(), ::testing::IsEmpty());
  expect_whole();
  EXPECT_EQ(open_storage(url)->head(study).queued, kProcesses * kEach);
}

TEST_P(Processes, AStoreIsMadeByManyAtOnce) {
  Lines lines;
  std::vector<pid_t> children;
  TemporaryFolder elsewhere;
  const auto target = GetParam().url(elsewhere.path());
  for (int p = 0; p < 12; ++p) {
    children.push_back(start(lines, [&, p] {
      const auto own = open_storage(target);
      const auto made = own->create_study(small_spec(fmt::format("of-{}", p)), nullptr);
      own->apply(made.id, queued_trial());
    }));
  }
  lines.read_until(std::nullopt);
  expect_success(children);
  EXPECT_THAT(lines.all(), ::testing::IsEmpty());
  EXPECT_EQ(open_storage(target)->studies().size(), 12u);
}

TEST_P(Processes, OneKeyMakesOneTrial) {
  Lines lines;
  std::vector<pid_t> children;
  for (int p = 0; p < 8; ++p) {
    children.push_back(start(lines, [&, p] {
      const auto own = open_storage(url);
      for (int key = 0; key < 10; ++key) {
        auto create = running_trial(p);
        create.key = std::to_string(key);
        const auto applied = own->apply(study, create);
        lines.say(fmt::format("{} {} {}", key, applied.trial->number, applied.attempt->fence));
      }
    }));
  }
  lines.read_until(std::nullopt);
  expect_success(children);
  std::map<std::string, int> answers;
  for (const auto& line : lines.all()) ++answers[line];
  EXPECT_EQ(answers.size(), 10u);
  for (const auto& [answer, count] : answers) EXPECT_EQ(count, 8) << answer;
  EXPECT_EQ(open_storage(url)->head(study).next_trial, 10);
}

TEST_P(Processes, KilledWritersLoseNothingThatWasAcknowledged) {
  constexpr int kWriters = 6, kKills = 50;
  std::minstd_rand random(20240607);
  Lines lines;
  const auto writer = [&](int id) {
    return start(lines, [&, id] {
      const auto own = open_storage(url);
      for (int i = 0;; ++i) {
        const auto asked = own->apply(study, running_trial(i % 1000));
        const double value = id + i / 4096.0;
        own->apply(study, CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", value}}, 0});
        lines.say(fmt::format("told {} {:a}", asked.trial->number, value));
      }
    });
  };
  std::vector<pid_t> children;
  for (int id = 0; id < kWriters; ++id) children.push_back(writer(id));
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    lines.read_until(steady_clock::now() + std::chrono::microseconds(5000 + random() % 25000));
    // Now and then all at once, so that nobody is left who could tidy up.
    const bool all = kill_number % 10 == 9;
    const std::size_t victim = random() % kWriters;
    for (std::size_t i = 0; i < kWriters; ++i) {
      if (!all && i != victim) continue;
      kill(children[i], SIGKILL);
      waitpid(children[i], nullptr, 0);
    }
    for (std::size_t i = 0; i < kWriters; ++i) {
      if (all || i == victim) children[i] = writer(kWriters * (kill_number + 1) + static_cast<int>(i));
    }
  }
  for (const auto child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  lines.read_until(std::nullopt);
  expect_whole();
  storage = open_storage(url);
  std::size_t told = 0;
  for (const auto& line : lines.all()) {
    std::istringstream in(line);
    std::string word, number, value;
    in >> word >> number >> value;
    ASSERT_EQ(word, "told") << line;
    const auto trial = storage->trial(study, std::stoll(number));
    ASSERT_TRUE(trial) << line;
    EXPECT_EQ(trial->state, TrialState::completed) << line;
    EXPECT_EQ(trial->metrics.at("loss"), std::strtod(value.c_str(), nullptr)) << line;
    ++told;
  }
  EXPECT_GT(told, 50u);
  EXPECT_GE(storage->head(study).completed, static_cast<std::int64_t>(told));
}

TEST_P(Processes, ReadersSeeWholeTransactionsWhileOthersWrite) {
  Lines lines;
  std::vector<pid_t> writers, readers;
  for (int p = 0; p < 3; ++p) {
    writers.push_back(start(lines, [&] {
      const auto own = open_storage(url);
      for (int i = 0; i < 100; ++i) {
        const auto asked = own->apply(study, running_trial(i));
        own->apply(study, CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", 0.1}}, 0});
      }
    }));
  }
  for (int p = 0; p < 3; ++p) {
    readers.push_back(start(lines, [&, p] {
      const auto own = open_storage(url, {.create = false, .read_only = p > 0});
      std::int64_t seen = 0;
      for (StudyHead head; head.completed < 300;) {
        const auto delta = own->changes_since(study, seen);
        head = delta.head;
        const auto events = own->events(study, seen, delta.sequence - seen);
        if (static_cast<std::int64_t>(events.size()) != delta.sequence - seen)
          throw std::runtime_error("a gap");
        const auto all = own->changes_since(study, 0);
        std::int64_t completed = 0;
        for (const auto& t : all.trials) completed += t.state == TrialState::completed;
        if (completed != all.head.completed) throw std::runtime_error("half a transaction");
        seen = delta.sequence;
      }
    }));
  }
  lines.read_until(std::nullopt);
  expect_success(writers);
  expect_success(readers);
  EXPECT_THAT(lines.all(), ::testing::IsEmpty());
}

TEST_P(Processes, AStoreDoesNotCrossAFork) {
  storage = open_storage(url);
  Lines lines;
  const auto child = start(lines, [&] {
    try {
      storage->head(study);
    } catch (const StorageError& e) {
      lines.say(e.what());
      storage.reset();
      return;
    }
    lines.say("no refusal");
  });
  lines.read_until(std::nullopt);
  expect_success({child});
  ASSERT_EQ(lines.all().size(), 1u);
  EXPECT_THAT(lines.all()[0], ::testing::HasSubstr("fork"));
  EXPECT_TRUE(storage->apply(study, queued_trial()).changed);
  storage.reset();
  expect_whole();
}

}  // namespace
}  // namespace krigon::testing
