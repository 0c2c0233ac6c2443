#include "submit/slurm.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "submissions.hpp"
#include "tests/support/temporary_folder.hpp"

namespace krigon {
namespace {

using krigon::testing::line_submission;
using krigon::testing::message_of;
using krigon::testing::write_program;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

SlurmOptions plain() {
  SlurmOptions options;
  options.logs = "/home/me/line/krigon-submit";
  return options;
}

TEST(SlurmScript, OfTheLeastIsThis) {
  EXPECT_EQ(slurm_script(line_submission(), plain()), R"(#!/bin/sh
# Workers of a study, written by `krigon submit`. Each slot of the array is one worker; it takes trials from
# the study's store until the study's budget is used up. Handed to sbatch again, it starts as many more.
#SBATCH --job-name=krigon-line
#SBATCH --array=1-2
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
# Told in time to leave, a worker stops its trials, hands them back and is gone before the limit.
#SBATCH --signal=B:TERM@35
# Started again after a node failed or when the slot was taken away; the log goes on where it was.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --chdir=/home/me/line
#SBATCH --output=/home/me/line/krigon-submit/krigon-line-%A_%a.log
set -eu
exec /opt/krigon worker --storage postgresql://krigon@db/tuning --study line --parallel 1 --trials-folder /home/me/line/krigon-trials/line
)");
}

TEST(SlurmScript, SaysEveryOption) {
  Submission submission = line_submission();
  submission.workers = 300;
  submission.parallel = 2;
  submission.resources = {6, 2, (std::uint64_t{3} << 30) + 1};
  submission.time = Milliseconds(((24 + 2) * 60 + 3) * 60'000 + 1);
  SlurmOptions options = plain();
  options.partition = "gpu,long";
  options.account = "team a";
  options.options = {"--constraint=a100|h100", "--exclusive", "--comment=it's ours"};
  const std::string script = slurm_script(submission, options);
  for (const char* line :
       {"\n#SBATCH --array=1-300\n", "\n#SBATCH --cpus-per-task=6\n", "\n#SBATCH --mem=3073M\n",
        "\n#SBATCH --gres=gpu:2\n", "\n#SBATCH --time=1-02:04:00\n", "\n#SBATCH --partition=gpu,long\n",
        "\n#SBATCH --account=\"team a\"\n", "\n#SBATCH \"--constraint=a100|h100\"\n",
        "\n#SBATCH --exclusive\n", "\n#SBATCH \"--comment=it's ours\"\n", " --parallel 2 "}) {
    EXPECT_THAT(script, HasSubstr(line));
  }
}

TEST(SlurmScript, QuotesNamesForSlurmAndForTheShell) {
  Submission submission = line_submission();
  submission.study = "a 'b' $(c) \"d\"\n#SBATCH --uid=0";
  submission.study_folder = "/home/me/100% a\"b'c#d";
  SlurmOptions options = plain();
  options.logs = submission.study_folder;
  const std::string script = slurm_script(submission, options);
  EXPECT_THAT(script, HasSubstr("\n#SBATCH --chdir=\"/home/me/100% a\\\"b'c#d\"\n"));
  EXPECT_THAT(script, HasSubstr("\n#SBATCH --output=\"/home/me/100%% a\\\"b'c#d/krigon-line-%A_%a.log\"\n"));
  EXPECT_THAT(script, HasSubstr(" --study 'a '\\''b'\\'' $(c) \"d\"\n#SBATCH --uid=0' "));
  EXPECT_GT(script.find("--uid=0"), script.find("\nset -eu\n"))
      << "sbatch reads no option below the first command";
  submission.study_folder = "/home/me/new\nline";
  EXPECT_THAT(message_of<UsageError>([&] { slurm_script(submission, options); }),
              HasSubstr("control character"));
}

TEST(SlurmScript, HasNoPassword) {
  Submission submission = line_submission();
  submission.storage = "postgresql://me:s3cret@db/tuning";
  SlurmOptions options = plain();
  options.storage_file = "/home/me/a line/url";
  const std::string script = slurm_script(submission, options);
  EXPECT_THAT(script, Not(HasSubstr("s3cret")));
  EXPECT_THAT(script, Not(HasSubstr("--storage")));
  EXPECT_THAT(script,
              HasSubstr("\nIFS= read -r KRIGON_STORAGE <'/home/me/a line/url'\nexport KRIGON_STORAGE\n"));
}

TEST(SlurmScript, RefusesWhatCannotBe) {
  Submission submission = line_submission();
  submission.time = Milliseconds(35'000);
  EXPECT_THAT(message_of<UsageError>([&] { slurm_script(submission, plain()); }),
              AllOf(HasSubstr("--time: found 35 s"), HasSubstr("needs 35 s to leave")));
  submission.time = Milliseconds(36'000);
  EXPECT_THAT(slurm_script(submission, plain()), HasSubstr("\n#SBATCH --time=0-00:01:00\n"));
  for (const char* wrong : {"constraint=a100", "-C", "--", "--constraint a100", "", "--=x"}) {
    SlurmOptions options = plain();
    options.options = {wrong};
    EXPECT_THAT(message_of<UsageError>([&] { slurm_script(submission, options); }),
                HasSubstr("--option: found"))
        << wrong;
  }
}

/// A folder on PATH with an sbatch of the test's own.
class Sbatch : public ::testing::Test {
 protected:
  Sbatch() : path_(std::getenv("PATH")) { ::setenv("PATH", (folder.path().string() + ":/bin").c_str(), 1); }
  ~Sbatch() override { ::setenv("PATH", path_.c_str(), 1); }

  void answers(const std::string& body) { write_program(folder.path() / "sbatch", "#!/bin/sh\n" + body); }

  TemporaryFolder folder;

 private:
  std::string path_;
};

TEST_F(Sbatch, AnswersWithTheJob) {
  answers(
      R"([ "$*" = "--parsable /a b/script" ] || exit 9; [ -z "${KRIGON_STORAGE+set}" ] || exit 8; echo 4711)");
  ::setenv("KRIGON_STORAGE", "postgresql://me:s3cret@db/tuning", 1);
  EXPECT_EQ(submit_to_slurm("/a b/script"), "4711");
  ::unsetenv("KRIGON_STORAGE");
  answers("echo '12;cluster'");
  EXPECT_EQ(submit_to_slurm("/script"), "12");
}

TEST_F(Sbatch, IsQuotedWhenItRefuses) {
  answers("echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1");
  EXPECT_THAT(message_of<EnvironmentError>([] { submit_to_slurm("/script"); }),
              AllOf(HasSubstr("invalid partition specified: nope"), HasSubstr("exit status 1"),
                    HasSubstr("/script")));
  answers("kill -9 $$");
  EXPECT_THAT(message_of<EnvironmentError>([] { submit_to_slurm("/script"); }), HasSubstr("exit status 137"));
  answers("echo hello");
  EXPECT_THAT(message_of<EnvironmentError>([] { submit_to_slurm("/script"); }),
              HasSubstr("answered \"hello\""));
}

TEST_F(Sbatch, IsMissedWhereThereIsNone) {
  ::setenv("PATH", folder.path().c_str(), 1);
  EXPECT_THAT(message_of<EnvironmentError>([] { submit_to_slurm("/script"); }),
              AllOf(HasSubstr("sbatch was not found on PATH"), HasSubstr("--dry-run")));
}

}  // namespace
}  // namespace krigon
