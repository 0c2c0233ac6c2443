// What happens when the environment fails: each case must name the file, the cause and the cure, and
// lose nothing that was recorded.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fmt/format.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.hpp"
#include "storage/sqlite_schema.hpp"

namespace krigon::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Fault : public ::testing::Test {
 protected:
  /// What opening `name` says.
  std::string refusal(const std::string& name, const StorageOptions& options = {}) {
    try {
      open_storage(name, options);
    } catch (const StorageError& e) {
      EXPECT_THAT(e.what(), HasSubstr(fs::path(name).filename().string()));
      return e.what();
    }
    return "opened";
  }

  void sql(const std::string& file, const std::string& text) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  static std::string bytes(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// Runs `body` in a child, for what changes a whole process; returns what it said. "skip: ..." skips.
  static std::string in_child(const std::function<std::string()>& body) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
      std::string said;
      try {
        said = body();
      } catch (const std::exception& e) {
        said = fmt::format("threw: {}", e.what());
      }
      const auto written = write(ends[1], said.data(), said.size());
      _exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    close(ends[1]);
    std::string said;
    char block[4096];
    for (ssize_t got; (got = read(ends[0], block, sizeof block)) > 0;) {
      said.append(block, static_cast<std::size_t>(got));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return status == 0 ? said : fmt::format("{} (wait status {})", said, status);
  }

  /// Tells trials until the store refuses; returns the refusal and how many were acknowledged.
  static std::pair<std::string, int> fill(Storage& storage, std::int64_t study) {
    int acknowledged = 0;
    try {
      for (int i = 0; i < 100'000; ++i) {
        const auto asked = storage.apply(study, running_trial(i % 1000));
        storage.apply(study,
                      CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", 1.0 * i}}, 0});
        ++acknowledged;
      }
    } catch (const StorageError& e) {
      return {e.what(), acknowledged};
    }
    return {"never full", acknowledged};
  }

  TemporaryFolder folder;
  const std::string path = (folder.path() / "store.db").string();
};

TEST_F(Fault, MissingThings) {
  EXPECT_THAT(refusal((folder.path() / "no" / "store.db").string()),
              AllOf(HasSubstr((folder.path() / "no").string()), HasSubstr("does not exist")));
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_THAT(refusal((folder.path() / "file" / "store.db").string()), HasSubstr("is not a folder"));
  EXPECT_THAT(refusal(folder.path().string()), HasSubstr("it is a folder"));
  EXPECT_THAT(refusal(path, {.create = false}), HasSubstr("there is no such file"));
  EXPECT_THAT(refusal(path, {.read_only = true}), HasSubstr("there is no such file"));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Fault, AnEmptyFileIsNoStoreUnlessOneMayBeMade) {
  std::ofstream{path};
  EXPECT_THAT(refusal(path, {.create = false}), HasSubstr("it is empty"));
  EXPECT_THAT(refusal(path, {.read_only = true}), HasSubstr("it is empty"));
  EXPECT_EQ(fs::file_size(path), 0u);
  EXPECT_EQ(refusal(path), "opened");
}

TEST_F(Fault, OtherFilesAreLeftAlone) {
  const std::string letter(5000, 'a');
  std::ofstream(path) << letter;
  EXPECT_THAT(refusal(path), HasSubstr("not an SQLite database"));
  EXPECT_EQ(bytes(path), letter);
  const auto theirs = (folder.path() / "theirs.db").string();
  sql(theirs, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  const auto before = bytes(theirs);
  EXPECT_THAT(refusal(theirs), HasSubstr("another program's"));
  EXPECT_EQ(bytes(theirs), before);
  sql(theirs, "PRAGMA application_id = 77");
  EXPECT_THAT(refusal(theirs), HasSubstr("another program's"));
}

TEST_F(Fault, ANewerSchemaIsRefused) {
  open_storage(path)->create_study(small_spec("kept"), nullptr);
  const auto newest = detail::migrations().size();
  sql(path, fmt::format("PRAGMA user_version = {}", newest + 1));
  const auto before = bytes(path);
  for (const bool read_only : {false, true}) {
    EXPECT_THAT(refusal(path, {.read_only = read_only}),
                AllOf(HasSubstr("newer Krigon"), HasSubstr(fmt::format("version {}", newest + 1))));
  }
  EXPECT_EQ(bytes(path), before);
}

TEST_F(Fault, ADamagedFileIsSaidToBeDamaged) {
  {
    const auto storage = open_storage(path);
    const auto study = storage->create_study(small_spec("s"), nullptr).id;
    for (int i = 0; i < 200; ++i) storage->apply(study, queued_trial(i));
  }
  // All pages but the first, where the schema begins.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(fs::file_size(path) - 4096, '\x5a');
  file.close();
  try {
    open_storage(path)->studies();
    FAIL() << "read from a damaged file";
  } catch (const StorageError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(path), HasSubstr("damaged"), HasSubstr(".recover")));
  }
}

TEST_F(Fault, ATamperedRowIsAnErrorNotACrash) {
  const auto study = open_storage(path)->create_study(small_spec("s"), nullptr).id;
  open_storage(path)->apply(study, running_trial());
  sql(path, "UPDATE trial SET parameters = '{\"x\": '");
  EXPECT_THROW(open_storage(path)->trial(study, 0), StorageError);
  sql(path, "UPDATE trial SET parameters = '{\"x\": null}'");
  EXPECT_THROW(open_storage(path)->trials(study, {}), StorageError);
  sql(path, "UPDATE revision SET spec = '{}'");
  EXPECT_THROW(open_storage(path)->find_study("s"), StorageError);
  EXPECT_THROW(open_storage(path)->apply(study, running_trial()), StorageError);
}

TEST_F(Fault, AFullDiskLosesNothingAndTheStoreGoesOn) {
  const auto study = open_storage(path)->create_study(small_spec("s"), nullptr).id;
  const auto said = in_child([&] {
    const auto storage = open_storage(path);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    rlimit small = limit;
    small.rlim_cur = 300'000;
    setrlimit(RLIMIT_FSIZE, &small);
    const auto [refusal, acknowledged] = fill(*storage, study);
    setrlimit(RLIMIT_FSIZE, &limit);
    // Room again: the same opening goes on.
    const auto asked = storage->apply(study, queued_trial());
    return fmt::format("{}\n{} {} {}", refusal, acknowledged, storage->head(study).completed, asked.changed);
  });
  EXPECT_THAT(said, AllOf(HasSubstr(path), HasSubstr("file size limit"), HasSubstr("stands")));
  int acknowledged = 0, completed = 0;
  ASSERT_EQ(std::sscanf(said.substr(said.rfind('\n') + 1).c_str(), "%d %d true", &acknowledged, &completed),
            2)
      << said;
  EXPECT_GT(acknowledged, 5);
  EXPECT_EQ(completed, acknowledged);
  EXPECT_EQ(open_storage(path)->head(study).completed, acknowledged);
}

TEST_F(Fault, ADiskWithoutRoomIsSaidToBeFull) {
  const auto said = in_child([&]() -> std::string {
    // A disk of our own, seen by this process alone.
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=512k") != 0) {
      return "skip: this user may not mount";
    }
    const auto storage = open_storage(path);
    const auto study = storage->create_study(small_spec("s"), nullptr).id;
    const auto [refusal, acknowledged] = fill(*storage, study);
    const auto completed = open_storage(path)->head(study).completed;
    return fmt::format("{}\n{}", refusal, completed == acknowledged && acknowledged > 5 ? "kept" : "lost");
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_THAT(said, AllOf(HasSubstr(path), HasSubstr("no room left"), HasSubstr("\nkept")));
}

TEST_F(Fault, AReadOnlyPlaceCanBeReadAndSaysWhyItCannotBeWritten) {
  const auto study = open_storage(path)->create_study(small_spec("s"), nullptr).id;
  open_storage(path)->apply(study, running_trial());
  const auto said = in_child([&]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(folder.path().c_str(), folder.path().c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        mount(nullptr, folder.path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
      return "skip: this user may not mount";
    }
    std::string result = refusal(path) + "\n" + refusal((folder.path() / "new.db").string()) + "\n";
    const auto reader = open_storage(path, {.read_only = true});
    return result + fmt::format("{} running", reader->head(study).running);
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_THAT(said, AllOf(HasSubstr("the store " + path + ": it cannot be"),
                          HasSubstr("new.db: it cannot be"), HasSubstr("1 running")));
  // Nothing is missing there: what SQLite looked for last is not the cause.
  EXPECT_THAT(said,
              AllOf(HasSubstr("; Read-only file system, code"), ::testing::Not(HasSubstr("No such file"))));
}

TEST_F(Fault, AFileThatCannotBeReadSaysSoInTheSystemsWords) {
  if (geteuid() != 0) GTEST_SKIP() << "another user is needed, who may not read it";
  open_storage(path);
  fs::permissions(path, fs::perms::none);
  fs::permissions(folder.path(), fs::perms::others_exec | fs::perms::owner_all);
  const auto said = in_child([&]() -> std::string {
    if (setgid(65534) != 0 || setuid(65534) != 0) return "skip: this user may not become another";
    return refusal(path) + "\n" + refusal((folder.path() / "new.db").string());
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_THAT(said, AllOf(HasSubstr("store.db: it cannot be"), HasSubstr("new.db: it cannot be"),
                          HasSubstr("; Permission denied, code"), ::testing::Not(HasSubstr("No such file"))));
}

TEST_F(Fault, TooManyOpenFilesAreSaidToBe) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers look at memory by way of a pipe, and find no file left for it";
#endif
  open_storage(path);
  const auto said = in_child([&]() -> std::string {
    const rlimit none{3, 3};
    setrlimit(RLIMIT_NOFILE, &none);
    return refusal(path);
  });
  EXPECT_THAT(said, HasSubstr("Too many open files"));
}

}  // namespace
}  // namespace krigon::testing
