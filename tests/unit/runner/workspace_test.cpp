#include "runner/workspace.hpp"

#include <gmock/gmock.h>

#include "krigon/error.hpp"
#include "runner_fixture.hpp"

namespace krigon::detail {
namespace {

namespace fs = std::filesystem;
using krigon::testing::read_file;
using krigon::testing::write_file;

class WorkspaceTest : public krigon::testing::FolderTest {
 protected:
  WorkspaceTest() {
    options_.study_folder = folder_ / "study";
    options_.trials_folder = folder_ / "trials";
    fs::create_directories(options_.study_folder);
  }
  Workspace make(std::vector<std::string> command) {
    options_.spec.trial.command = std::move(command);
    return make_workspace(options_, {});
  }
  RunnerOptions options_;
};

TEST_F(WorkspaceTest, LinksWhatTheCommandNames) {
  for (const char* name : {"train.py", "conf/a.yaml", "data/x/1.csv", "other.py", "sh", "params.json"}) {
    write_file(options_.study_folder / name, name);
  }
  const auto workspace = make({"sh", "./train.py", "--config=conf/a.yaml", "data/", "data/x/1.csv",
                               "params.json", "no.py", "../study/other.py", ".", "/etc/passwd", ""});
  const fs::path folder = workspace.folder;
  EXPECT_EQ(read_file(folder / "train.py"), "train.py");
  EXPECT_EQ(read_file(folder / "conf/a.yaml"), "conf/a.yaml");
  EXPECT_EQ(read_file(folder / "data/x/1.csv"), "data/x/1.csv");
  EXPECT_TRUE(fs::is_symlink(folder / "data"));
  EXPECT_FALSE(fs::exists(folder / "other.py"));
  EXPECT_FALSE(fs::exists(folder / "sh"));  // looked up in PATH
  EXPECT_EQ(read_file(folder / "params.json"), "{}\n");
  EXPECT_THAT(workspace.warnings,
              ::testing::ElementsAre(::testing::HasSubstr("params.json of the study folder is hidden")));
}

TEST_F(WorkspaceTest, LinksInputsIntoFolders) {
  write_file(options_.study_folder / "data/x/1.csv", "1");
  write_file(options_.study_folder / "data/x/2.csv", "2");
  options_.spec.inputs = {"data/x/1.csv", "data/x/2.csv", "missing"};
  const auto workspace = make({"true"});
  EXPECT_EQ(read_file(workspace.folder / "data/x/2.csv"), "2");
  EXPECT_FALSE(fs::is_symlink(workspace.folder / "data"));
}

TEST_F(WorkspaceTest, NeverFollowsItsOwnLinksWhenItEmptiesAFolder) {
  write_file(options_.study_folder / "data/1.csv", "1");
  make({"cat", "data"});
  make({"cat", "data"});
  EXPECT_EQ(read_file(options_.study_folder / "data/1.csv"), "1");
}

TEST_F(WorkspaceTest, ACloneBeginsWithACopyOfItsParentsCheckpoint) {
  options_.spec.trial.command = {"true"};
  options_.spec.trial.checkpoint = true;
  TrialJob job;
  job.trial = 7;
  job.parent = 3;
  EXPECT_THAT(make_workspace(options_, job).warnings,
              ::testing::ElementsAre(::testing::HasSubstr("the checkpoint of trial 3")));
  write_file(options_.trials_folder / "3/checkpoint/deep/weights", "parent's");
  write_file(options_.trials_folder / "7/checkpoint/stale", "of an earlier study");
  const auto workspace = make_workspace(options_, job);
  EXPECT_TRUE(workspace.warnings.empty());
  EXPECT_EQ(read_file(workspace.checkpoint / "deep/weights"), "parent's");
  EXPECT_FALSE(fs::exists(workspace.checkpoint / "stale"));
  // What it then writes is its own, and its next attempt goes on from that.
  write_file(workspace.checkpoint / "deep/weights", "clone's");
  job.attempt = 2;
  EXPECT_EQ(read_file(make_workspace(options_, job).checkpoint / "deep/weights"), "clone's");
  EXPECT_EQ(read_file(options_.trials_folder / "3/checkpoint/deep/weights"), "parent's");
}

TEST_F(WorkspaceTest, WhoKeepsNoCheckpointsHasNoFolderForThem) {
  options_.spec.trial.command = {"true"};
  write_file(options_.trials_folder / "0/checkpoint/state", "of an earlier study");
  TrialJob job;
  job.parent = 3;
  job.checkpoint = folder_ / "best";
  EXPECT_TRUE(make_workspace(options_, job).checkpoint.empty());
  EXPECT_FALSE(fs::exists(folder_ / "best"));
  job.checkpoint.reset();
  const auto workspace = make_workspace(options_, job);
  EXPECT_TRUE(workspace.checkpoint.empty());
  EXPECT_TRUE(workspace.warnings.empty());
  EXPECT_FALSE(fs::exists(options_.trials_folder / "0/checkpoint"));
  try {
    make({"cp", "{checkpoint}/model", "."});
    FAIL() << "it was expanded";
  } catch (const SpaceError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("{checkpoint}"));
  }
}

TEST_F(WorkspaceTest, NoCommandIsAnError) {
  EXPECT_THROW(make({}), EnvironmentError);
}

TEST(ParameterVariable, UpperCaseAndUnderscores) {
  EXPECT_EQ(parameter_variable("learning_rate"), "KRIGON_PARAM_LEARNING_RATE");
  EXPECT_EQ(parameter_variable("optim.beta-2"), "KRIGON_PARAM_OPTIM_BETA_2");
}

}  // namespace
}  // namespace krigon::detail
