#include "submit/local.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "submissions.hpp"
#include "submit/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace krigon {
namespace {

using krigon::testing::line_submission;
using krigon::testing::message_of;
using krigon::testing::text_of;
using krigon::testing::write_program;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class LocalWorkers : public ::testing::Test {
 protected:
  LocalWorkers() {
    submission = line_submission();
    submission.program = (folder.path() / "krigon").string();
    submission.study_folder = folder.path();
    submission.trials_folder.clear();
  }

  void worker_is(const std::string& body) { write_program(submission.program, "#!/bin/sh\n" + body); }

  /// The exit status of a worker, waited for.
  static int end_of(const LocalWorker& worker) {
    int status = 0;
    EXPECT_EQ(::waitpid(worker.pid, &status, 0), worker.pid);
    return status;
  }

  TemporaryFolder folder;
  Submission submission;
};

TEST_F(LocalWorkers, RunInSessionsOfTheirOwn) {
  worker_is("echo \"$(pwd): $*\"; echo oops >&2; read line && echo \"read $line\"; exec sleep 60");
  const auto workers = start_local_workers(submission, folder.path());
  ASSERT_EQ(workers.size(), 2u);
  for (const auto& worker : workers) {
    EXPECT_EQ(::getsid(worker.pid), worker.pid) << "a closed terminal would end it";
    EXPECT_EQ(text_of(worker.log),
              std::filesystem::canonical(folder.path()).string() +
                  ": worker --storage postgresql://krigon@db/tuning --study line --parallel 1\noops\n");
    ASSERT_EQ(::kill(worker.pid, SIGTERM), 0);
    EXPECT_TRUE(WIFSIGNALED(end_of(worker)));
  }
  EXPECT_EQ(workers[1].log, folder.path() / "krigon-line-2.log");
}

TEST_F(LocalWorkers, GetAPasswordByTheirEnvironmentAlone) {
  submission.storage = "postgresql://me:s3cret@db/tuning";
  submission.workers = 1;
  worker_is("echo \"$*\"; echo \"$KRIGON_STORAGE\" >url; exec sleep 60");
  const auto workers = start_local_workers(submission, folder.path());
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(text_of(workers[0].log), "worker --study line --parallel 1\n");
  EXPECT_EQ(text_of(folder.path() / "url"), "postgresql://me:s3cret@db/tuning\n");
  ::kill(workers[0].pid, SIGTERM);
  end_of(workers[0]);
}

TEST_F(LocalWorkers, ThatEndAtOnceAreAnError) {
  worker_is(
      "[ -e second ] && exec sleep 60; : >second; echo 'krigon: there is no study \"line\"' >&2; exit 3");
  EXPECT_THAT(message_of<EnvironmentError>([&] { start_local_workers(submission, folder.path()); }),
              AllOf(HasSubstr("exit status 3"), HasSubstr("there is no study \"line\""), HasSubstr(".log")));
  submission.program = (folder.path() / "nowhere").string();
  EXPECT_THAT(message_of<EnvironmentError>([&] { start_local_workers(submission, folder.path()); }),
              AllOf(HasSubstr("cannot start"), HasSubstr("nowhere"), HasSubstr("No such file")));
}

TEST_F(LocalWorkers, MayFindTheBudgetUsedUp) {
  worker_is("exit 0");
  EXPECT_EQ(start_local_workers(submission, folder.path()).size(), 2u);
}

TEST(WriteFile, HasItsModeFromTheFirstByteOn) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "url";
  write_file(file, "one\n", 0644);
  write_file(file, "two\n", 0600);
  EXPECT_EQ(text_of(file), "two\n");
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1)
      << "nothing else is left";
  EXPECT_THAT(message_of<EnvironmentError>([&] { write_file(folder.path() / "no/url", "x", 0600); }),
              HasSubstr("cannot write"));
}

}  // namespace
}  // namespace krigon
