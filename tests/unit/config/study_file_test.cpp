#include "config/study_file.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace fs = std::filesystem;

constexpr const char* kSmall =
    "study: s\nobjective: {metric: loss, direction: minimize}\nparameters: {x: {min: 0.5, max: 1}}\n";

class StudyFile : public ::testing::Test {
 protected:
  StudyFile() : folder_(fs::temp_directory_path() / ("krigon-config-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~StudyFile() override {
    std::error_code error;
    fs::remove_all(folder_, error);
  }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string error_of(const fs::path& path) {
    try {
      load_study_file(path);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  }
  fs::path folder_;
};

std::string error_in(const std::string& text, StudyFormat format = StudyFormat::yaml) {
  try {
    parse_study(text, "f", format);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(StudyFile, IsYamlOrJsonByItsName) {
  EXPECT_EQ(load_study_file(write("a.yaml", kSmall)).spec.name, "s");
  EXPECT_EQ(load_study_file(write("no-extension", kSmall)).spec.name, "s");
  const std::string json =
      R"({"study": "j", "objective": {"metric": "l", "direction": "minimize"}, "parameters": {"x": 1}})";
  EXPECT_EQ(load_study_file(write("a.json", json)).spec.name, "j");
  EXPECT_EQ(load_study_file(write("b.yaml", json)).spec.name, "j");  // JSON is YAML, nearly
  EXPECT_THAT(error_of(write("c.json", kSmall)), HasSubstr("not valid JSON"));
}

TEST_F(StudyFile, ThatCannotBeReadSaysWhy) {
  EXPECT_THAT(error_of(folder_ / "none.yaml"), HasSubstr("none.yaml: there is no such file"));
  EXPECT_THAT(error_of(folder_), HasSubstr("this is a folder, expected a study file"));
  EXPECT_THAT(error_of(write("big.yaml", std::string((1u << 20) + 1, '#'))), HasSubstr("at most 1048576"));
  const fs::path locked = write("locked.yaml", kSmall);
  fs::permissions(locked, fs::perms::none);
  if (::geteuid() != 0) {
    EXPECT_THAT(error_of(locked), HasSubstr("cannot be read: Permission denied"));
  }
  EXPECT_THAT(error_of(locked / "below"), HasSubstr("below: "));
}

TEST_F(StudyFile, PathsAreTakenFromItsFolder) {
  write("train.py", "");
  const auto path =
      write("p.yaml", std::string(kSmall) + "storage: out/k.db\ninputs: [train.py, data.csv]\n");
  const LoadedStudy study = load_study_file(path);
  EXPECT_EQ(study.folder, folder_);
  EXPECT_EQ(study.storage, "sqlite://" + (folder_ / "out/k.db").string());
  EXPECT_THAT(study.spec.inputs, ElementsAre("train.py", "data.csv"));
  EXPECT_THAT(study.warnings, ElementsAre(HasSubstr("inputs, item 2: there is no file \"data.csv\"")));
  EXPECT_FALSE(study.has_trial);
}

TEST_F(StudyFile, NamesAStoreInSeveralWays) {
  const auto storage = [&](const std::string& text) {
    return load_study_file(write("s.yaml", std::string(kSmall) + "storage: " + text + "\n")).storage.value();
  };
  EXPECT_EQ(storage("\"memory:\""), "memory:");
  EXPECT_EQ(storage("postgresql://me@host:5432/db?sslmode=require"),
            "postgresql://me@host:5432/db?sslmode=require");
  EXPECT_EQ(storage("/abs/k.db"), "sqlite:///abs/k.db");
  EXPECT_EQ(storage("sqlite:///abs/k.db"), "sqlite:///abs/k.db");
  EXPECT_EQ(storage("sqlite://rel.db"), "sqlite://" + (folder_ / "rel.db").string());
  EXPECT_EQ(storage("../k.db"), "sqlite://" + (folder_.parent_path() / "k.db").string());
}

TEST_F(StudyFile, EscapesOfYamlBecomeUtf8) {
  // Of next line, no-break space, line separator, and a letter; whoever prints them needs UTF-8.
  const auto study =
      load_study_file(write("a.yaml",
                            "study: s\nobjective: {metric: loss, direction: minimize}\n"
                            "parameters: {x: {values: [\"\\u00e9\\N\", \"a\\_b\", \"\\L\"]}}\n"));
  const auto& domain = std::get<CategoricalDomain>(study.spec.space.parameters().front().domain);
  EXPECT_EQ(std::get<std::string>(domain.values[0]), "\u00e9\u0085");
  EXPECT_EQ(std::get<std::string>(domain.values[1]), "a\u00a0b");
  EXPECT_EQ(std::get<std::string>(domain.values[2]), "\u2028");
}

TEST(StudyFileErrors, ComeAllAtOnceInTheOrderOfLines) {
  const std::string error = error_in(
      "sutdy: x\nobjective: {metric: loss, direction: down}\nparameters:\n  lr: {min: abc, max: 1}\nseed: "
      "x\n");
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < error.size();) {
    const auto end = std::min(error.find('\n', at), error.size());
    lines.push_back(error.substr(at, end - at));
    at = end + 1;
  }
  EXPECT_THAT(lines, ElementsAre(StartsWith("f:1: sutdy: unknown key; did you mean 'study'?"),
                                 StartsWith("f:2: objective.direction: found \"down\""),
                                 "f:4: parameters.lr.min: found \"abc\", expected a number",
                                 "f:5: seed: found \"x\", expected an integer of at least 0"));
}

TEST(StudyFileErrors, NameTheLineOfAJsonFile) {
  // A number's end is known only after the line's end was read.
  EXPECT_THAT(
      error_in("{\"study\": \"s\",\n\"objective\": {\"metric\": \"l\", \"direction\": \"minimize\"},\n"
               "\"parameters\": {\"x\": {\"min\": 1\n,\"max\":\n0\n}}, \"seed\":\n-1\n}",
               StudyFormat::json),
      HasSubstr("f:4: parameters.x.max: min (1) must be below max (0)\nf:6: seed"));
}

TEST(StudyFileErrors, CostLittleWhateverTheFile) {
  const auto started = std::chrono::steady_clock::now();
  std::vector<std::string> hostile{
      std::string(1 << 20, '['), std::string(1 << 20, '{'), std::string(1 << 20, '-'),
      std::string(1 << 20, '?'), std::string(1 << 20, '"'), std::string(1 << 20, '\n'),
      std::string(1 << 20, ' '),
  };
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "- ";
  hostile.push_back(text);
  text.clear();
  for (int i = 0; i < 200'000; ++i) text += "? ";
  hostile.push_back(text);
  text.clear();
  for (int i = 0; i < 300'000; ++i) text += "a: ";
  hostile.push_back(text);
  text.clear();
  for (int i = 0; i < 1000; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  hostile.push_back(text);
  text = kSmall;
  for (int i = 0; i < 80'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  hostile.push_back(text);
  text = "study: s\nobjective: {metric: l, direction: minimize}\nparameters:\n";
  for (int i = 0; i < 999; ++i) {
    text += "  p" + std::to_string(i) + ": {values: [1, 2], when: {p" + std::to_string(i + 1) + ": 1}}\n";
  }
  hostile.push_back(text + "  p999: {values: [1, 2]}\nconstraints: [" + std::string(100'000, '(') + "]\n");
  text = "study: s\nobjective: {metric: l, direction: minimize}\nv: &v [";
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + ", ";
  text += "]\nparameters:\n";
  for (int i = 0; i < 80; ++i) text += "  p" + std::to_string(i) + ": {values: *v}\n";
  hostile.push_back(text);
  for (const auto& file : hostile) {
    EXPECT_THAT(error_in(file), StartsWith("f:")) << file.substr(0, 40);
    EXPECT_THAT(error_in(file, StudyFormat::json), StartsWith("f:")) << file.substr(0, 40);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(120));
}

}  // namespace
}  // namespace krigon
