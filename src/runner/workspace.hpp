#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runner/runner.hpp"

namespace krigon::detail {

/// The files of one attempt: <trials>/<trial>/attempt-<n>/ with stdout.log, stderr.log, params.json and
/// report.jsonl, which is also its working directory unless the study says otherwise, and
/// where the study's trials keep checkpoints, <trials>/<trial>/checkpoint/, which all attempts share.
struct Workspace {
  std::filesystem::path folder;
  std::filesystem::path checkpoint;  ///< empty: the study's trials keep none
  std::filesystem::path working_directory;
  std::vector<std::string> argv;
  std::vector<std::string> warnings;

  std::filesystem::path stdout_file() const { return folder / "stdout.log"; }
  std::filesystem::path stderr_file() const { return folder / "stderr.log"; }
  std::filesystem::path params_file() const { return folder / "params.json"; }
  std::filesystem::path report_file() const { return folder / "report.jsonl"; }
};

std::filesystem::path trial_folder(const RunnerOptions& options, std::int64_t trial);

/// Makes the folders and files, expands the command, and links the study's declared inputs and the
/// files that the command names into the working directory. What an earlier study left under the same
/// number is removed: an attempt's folder always, checkpoints with the first attempt. Throws SpaceError
/// for a bad template, std::filesystem::filesystem_error or EnvironmentError when the disk refuses.
Workspace make_workspace(const RunnerOptions& options, const TrialJob& job);

/// The program's whole environment, NAME=value: this process's own, the study's `env`, and KRIGON_*.
/// `share_env` are the variables of its resources; the study's `env` wins over them.
std::vector<std::string> make_environment(const RunnerOptions& options, const TrialJob& job,
                                          const Workspace& workspace,
                                          const std::map<std::string, std::string>& share_env,
                                          const std::optional<std::filesystem::path>& tools);

/// KRIGON_PARAM_ and the name in upper case, with '_' for what is no letter or digit.
std::string parameter_variable(const std::string& name);

}  // namespace krigon::detail
