#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "runner/runner.hpp"

namespace krigon::testing {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Far beyond what anything takes, so that a loaded machine does not fail a test.
inline constexpr seconds kLong{60};

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline bool eventually(const std::function<bool()>& holds, milliseconds limit = kLong) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

/// Processes, zombies apart, whose environment holds this text.
inline std::vector<int> processes_with(const std::string& mark) {
  std::vector<int> found;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (read_file(it->path() / "environ").find(mark) == std::string::npos) continue;
    found.push_back(std::stoi(name));
  }
  return found;
}

/// A folder of its own for each test, with a study in it.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string pattern = (fs::temp_directory_path() / "krigon-runner-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FolderTest() override {
    std::error_code error;
    fs::remove_all(folder_, error);
  }
  fs::path folder_;
};

/// What a run of trials gave.
struct Outcomes {
  std::vector<Reported> reports;
  std::map<std::int64_t, Ended> ended;
};

#ifdef KRIGON_SHIM
class RunnerTest : public FolderTest {
 protected:
  RunnerTest() {
    options_.spec.name = "test";
    options_.spec.objectives = {{"accuracy", Direction::maximize}};
    options_.spec.trial.grace = milliseconds(500);
    options_.study_folder = folder_ / "study";
    options_.trials_folder = folder_ / "trials";
    options_.shim = KRIGON_SHIM;
    fs::create_directories(options_.study_folder);
  }

  void shell(const std::string& script) { options_.spec.trial.command = {"sh", "-c", quoted(script)}; }
  void program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), KRIGON_TEST_TRIAL);
    options_.spec.trial.command = arguments;
  }
  /// Braces doubled: they mean parameters in a command.
  static std::string quoted(const std::string& text) {
    std::string out;
    for (const char c : text) {
      out += c;
      if (c == '{' || c == '}') out += c;
    }
    return out;
  }

  fs::path attempt_folder(std::int64_t trial = 0, std::int64_t attempt = 1) const {
    return options_.trials_folder / std::to_string(trial) / ("attempt-" + std::to_string(attempt));
  }
  std::string standard_output(std::int64_t trial = 0) const {
    return read_file(attempt_folder(trial) / "stdout.log");
  }

  /// Polls until no trial runs.
  static Outcomes finish(Runner& runner, milliseconds limit = kLong) {
    Outcomes outcomes;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (runner.running() > 0 && std::chrono::steady_clock::now() < end) collect(runner, outcomes);
    EXPECT_EQ(runner.running(), 0u) << "trials still run";
    return outcomes;
  }
  static void collect(Runner& runner, Outcomes& outcomes) {
    for (auto& event : runner.poll(milliseconds(200))) {
      if (auto* report = std::get_if<Reported>(&event)) {
        EXPECT_FALSE(outcomes.ended.contains(report->trial)) << "a report after the end";
        outcomes.reports.push_back(std::move(*report));
      } else {
        auto& ended = std::get<Ended>(event);
        EXPECT_TRUE(outcomes.ended.emplace(ended.trial, ended).second) << "ended twice";
      }
    }
  }
  /// Runs one trial of the command from start to end.
  Ended run_one(TrialJob job = {}) {
    Runner runner(options_);
    runner.start(job);
    last_ = finish(runner);
    return last_.ended.at(job.trial);
  }
  /// Starts one trial and waits until it has made the file `ready` in its folder.
  void start_ready(Runner& runner, TrialJob job = {}) {
    runner.start(job);
    ASSERT_TRUE(eventually([&] {
      runner.poll(milliseconds(0));
      return fs::exists(attempt_folder(job.trial) / "ready");
    })) << "the trial never got ready";
  }

  RunnerOptions options_;
  Outcomes last_;
};
#endif

}  // namespace krigon::testing
