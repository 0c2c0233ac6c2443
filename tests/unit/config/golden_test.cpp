// The study files of tests/data/study_files: each wrong one gives exactly the message in the .expected
// file beside it, each good one the study in canonical form. After a change that is meant, run with
// KRIGON_UPDATE_GOLDEN=1 and read every difference as the person would who has to mend the file.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "config/study_file.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

namespace fs = std::filesystem;

const fs::path kFiles = fs::path(KRIGON_SOURCE_DIR) / "tests/data/study_files";

std::string content(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<fs::path> study_files(const std::string& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kFiles / folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

LoadedStudy parse(const fs::path& path) {
  return parse_study(content(path), path.filename().string(),
                     path.extension() == ".json" ? StudyFormat::json : StudyFormat::yaml);
}

void compare(const fs::path& path, const std::string& found) {
  const fs::path golden = path.string() + ".expected";
  if (std::getenv("KRIGON_UPDATE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << found;
  EXPECT_EQ(content(golden), found) << path;
}

TEST(GoldenStudyFiles, AWrongOneGetsTheErrorThatAPersonNeeds) {
  const auto paths = study_files("wrong");
  EXPECT_GE(paths.size(), 60U);
  for (const auto& path : paths) {
    try {
      parse(path);
      ADD_FAILURE() << path << " was taken";
    } catch (const ConfigError& e) {
      compare(path, std::string(e.what()) + "\n");
    }
  }
}

TEST(GoldenStudyFiles, AGoodOneIsReadAsMeant) {
  const auto paths = study_files("good");
  EXPECT_GE(paths.size(), 10U);
  for (const auto& path : paths) {
    try {
      const LoadedStudy study = parse(path);
      const nlohmann::json found{
          {"spec", to_json(study.spec)},
          {"storage", study.storage ? nlohmann::json(*study.storage) : nlohmann::json()},
          {"has_trial", study.has_trial},
          {"warnings", study.warnings}};
      compare(path, found.dump(1) + "\n");
      // What is stored reads back as the same study.
      EXPECT_EQ(to_json(spec_from_json(found.at("spec"))), found.at("spec")) << path;
    } catch (const Error& e) {
      ADD_FAILURE() << path << ": " << e.what();
    }
  }
}

}  // namespace
}  // namespace krigon
