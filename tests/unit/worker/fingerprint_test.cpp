#include "worker/fingerprint.hpp"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace krigon {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

StudySpec spec(std::vector<std::string> inputs) {
  StudySpec s;
  s.objectives = {{}};
  s.trial.command = {"python3", "train.py"};
  s.inputs = std::move(inputs);
  return s;
}

TEST(Fingerprint, HashesInputsBySha256) {
  TemporaryFolder folder;
  write(folder.path() / "abc", "abc");
  const auto print = fingerprint(spec({"abc"}), folder.path());
  // FIPS 180-2, the standard's own example.
  EXPECT_EQ(print.at("inputs").at("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(print.at("commit").is_null());
  EXPECT_EQ(print.at("command"), nlohmann::json({"python3", "train.py"}));
}

TEST(Fingerprint, AFoldersHashFollowsNamesAndContents) {
  TemporaryFolder folder;
  fs::create_directories(folder.path() / "data/sub");
  write(folder.path() / "data/a", "1");
  write(folder.path() / "data/sub/b", "2");
  const auto hash = [&] { return fingerprint(spec({"data"}), folder.path()).at("inputs").at("data"); };
  const auto first = hash();
  EXPECT_EQ(hash(), first);
  write(folder.path() / "data/sub/b", "3");
  const auto second = hash();
  EXPECT_NE(second, first);
  fs::rename(folder.path() / "data/a", folder.path() / "data/c");
  EXPECT_NE(hash(), second);
}

TEST(Fingerprint, AMissingInputIsSaid) {
  TemporaryFolder folder;
  try {
    fingerprint(spec({"train.py"}), folder.path());
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("inputs: \"train.py\" is not there"));
  }
}

TEST(Fingerprint, KnowsTheCommitAndWhetherFilesDiffer) {
  TemporaryFolder folder;
  write(folder.path() / "train.py", "1");
  const std::string git = "git -C '" + folder.path().string() + "' -c user.name=t -c user.email=t@t ";
  ASSERT_EQ(std::system((git + "init -q && " + git + "add . && " + git + "commit -qm one").c_str()), 0);
  const auto clean = fingerprint(spec({}), folder.path());
  EXPECT_EQ(clean.at("commit").get<std::string>().size(), 40u);
  EXPECT_EQ(clean.at("dirty"), false);
  write(folder.path() / "train.py", "2");
  const auto dirty = fingerprint(spec({}), folder.path());
  EXPECT_EQ(dirty.at("dirty"), true);
  EXPECT_THAT(fingerprint_differences(clean, dirty),
              ElementsAre(HasSubstr("the code has changes that no commit holds")));
}

TEST(Fingerprint, DifferencesAreOneLineEach) {
  const auto then =
      nlohmann::json::parse(R"({"commit": "aa", "command": ["a"], "inputs": {"x": "1", "y": "2"}})");
  const auto now =
      nlohmann::json::parse(R"({"commit": "bb", "command": ["a"], "inputs": {"x": "9", "z": "2"}})");
  EXPECT_THAT(fingerprint_differences(then, then), IsEmpty());
  EXPECT_THAT(fingerprint_differences(then, now),
              ElementsAre("commit: was aa, is bb", "input x: its content has changed",
                          "input y: no longer declared", "input z: was not declared"));
  EXPECT_THAT(fingerprint_differences(nullptr, now), ElementsAre(HasSubstr("nothing was recorded")));
}

}  // namespace
}  // namespace krigon
