#include "runner/workspace.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "krigon/error.hpp"

namespace krigon::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 4> kOwnFiles = {"stdout.log", "stderr.log", "params.json",
                                                       "report.jsonl"};

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out) throw EnvironmentError(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
}

/// A relative path that stays inside the folder it is taken from.
bool stays_inside(const fs::path& path) {
  if (path.empty() || path.is_absolute()) return false;
  for (const auto& part : path) {
    if (part == "..") return false;
  }
  return path != ".";
}

void link_into(Workspace& workspace, const fs::path& study_folder, const fs::path& name) {
  if (!stays_inside(name)) return;
  const fs::path relative = name.lexically_normal();
  fs::path target = study_folder / relative;
  std::error_code error;
  if (relative.empty() || relative == "." || !fs::exists(target, error)) return;
  for (const auto own : kOwnFiles) {
    if (relative == own) {
      workspace.warnings.push_back(
          fmt::format("{} of the study folder is hidden by the trial's own file of that name", own));
      return;
    }
  }
  fs::path link = workspace.folder / relative;
  if (!link.has_filename()) {  // "data/" names the folder itself
    link = link.parent_path();
    target = target.parent_path();
  }
  fs::create_directories(link.parent_path(), error);
  // A folder above it may be linked already; then the file is there.
  if (!fs::exists(fs::symlink_status(link, error))) fs::create_symlink(target, link);
}

void link_files(Workspace& workspace, const RunnerOptions& options) {
  for (const auto& input : options.spec.inputs) link_into(workspace, options.study_folder, input);
  for (std::size_t i = 0; i < workspace.argv.size(); ++i) {
    const std::string& word = workspace.argv[i];
    // A first word without '/' is looked up in PATH, never in the folder.
    if (i == 0 && word.find('/') == std::string::npos) continue;
    if (word.empty() || word.size() > 4096) continue;
    if (word.front() != '-') link_into(workspace, options.study_folder, word);
    if (const std::size_t at = word.find('='); at != std::string::npos) {
      link_into(workspace, options.study_folder, word.substr(at + 1));
    }
  }
}

/// What vanishes on the way was replaced by something newer: copied anew, a few times.
void copy_checkpoint(const RunnerOptions& options, std::int64_t parent, Workspace& workspace) {
  const fs::path from = trial_folder(options, parent) / "checkpoint";
  std::error_code error;
  if (!fs::is_directory(from, error)) {
    workspace.warnings.push_back(fmt::format(
        "the checkpoint of trial {}, which it goes on from, is not on this machine ({}): share the "
        "trials' folder among workers",
        parent, from.string()));
    return;
  }
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    fs::remove_all(workspace.checkpoint);
    fs::copy(from, workspace.checkpoint, fs::copy_options::recursive | fs::copy_options::copy_symlinks,
             error);
    if (!error) return;
  }
  throw EnvironmentError(fmt::format("cannot copy the checkpoint of trial {} from {}: {}", parent,
                                     from.string(), error.message()));
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

}  // namespace

fs::path trial_folder(const RunnerOptions& options, std::int64_t trial) {
  return fs::absolute(options.trials_folder) / std::to_string(trial);
}

Workspace make_workspace(const RunnerOptions& options, const TrialJob& job) {
  Workspace workspace;
  const fs::path trial = trial_folder(options, job.trial);
  const fs::path study_folder = fs::absolute(options.study_folder).lexically_normal();
  workspace.folder = trial / fmt::format("attempt-{}", job.attempt);
  const fs::path own_checkpoint = trial / "checkpoint";
  const bool keeps = options.spec.trial.checkpoint;
  if (keeps) workspace.checkpoint = job.checkpoint ? fs::absolute(*job.checkpoint) : own_checkpoint;
  workspace.working_directory = options.spec.trial.own_folder ? workspace.folder : study_folder;

  std::map<std::string, std::string> extra = {
      {"trial", std::to_string(job.trial)},  {"attempt", std::to_string(job.attempt)},
      {"seed", std::to_string(job.seed)},    {"max_steps", ""},
      {"folder", workspace.folder.string()}, {"study_folder", study_folder.string()}};
  if (keeps) extra["checkpoint"] = workspace.checkpoint.string();
  const std::int64_t max_steps = options.spec.early_stopping.max_steps;
  if (max_steps > 0) extra["max_steps"] = std::to_string(max_steps);
  workspace.argv = expand_command(options.spec.trial.command, options.spec.space, job.parameters, extra);
  if (workspace.argv.empty()) throw EnvironmentError("the study has no command to run (trial: command)");

  fs::remove_all(workspace.folder);
  if (job.attempt == 1 && !job.checkpoint) fs::remove_all(own_checkpoint);
  fs::create_directories(workspace.folder);
  if (keeps) fs::create_directories(workspace.checkpoint);
  if (keeps && job.attempt == 1 && job.parent >= 0) copy_checkpoint(options, job.parent, workspace);
  write_file(workspace.params_file(), to_json(job.parameters).dump(2) + "\n");
  write_file(workspace.report_file(), "");
  if (options.spec.trial.own_folder) {
    RunnerOptions with_folder = options;
    with_folder.study_folder = study_folder;
    link_files(workspace, with_folder);
  }
  return workspace;
}

std::string parameter_variable(const std::string& name) {
  std::string variable = "KRIGON_PARAM_";
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    variable += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return variable;
}

std::vector<std::string> make_environment(const RunnerOptions& options, const TrialJob& job,
                                          const Workspace& workspace,
                                          const std::map<std::string, std::string>& share_env,
                                          const std::optional<fs::path>& tools) {
  std::map<std::string, std::string> env;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry(*at);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    // A study run by a trial of another study: that trial's parameters and checkpoint are not this one's.
    if (starts_with(entry, "KRIGON_PARAM_") || starts_with(entry, "KRIGON_MAX_STEPS=")) continue;
    if (starts_with(entry, "KRIGON_CHECKPOINT_DIR=")) continue;
    // The worker's own: the store's password is none of the trial's business.
    if (starts_with(entry, "KRIGON_STORAGE=") || starts_with(entry, "KRIGON_HEARTBEAT_FILE=")) continue;
    env[std::string(entry.substr(0, equals))] = entry.substr(equals + 1);
  }
  // Python would keep what it prints to a file until it ends: no metrics from it, no log of a killed trial.
  env.try_emplace("PYTHONUNBUFFERED", "1");
  env["PWD"] = workspace.working_directory.string();
  if (tools) {
    const auto path = env.find("PATH");
    env["PATH"] =
        tools->string() + (path == env.end() ? ":/usr/local/bin:/usr/bin:/bin" : ':' + path->second);
  }
  for (const auto& [name, value] : share_env) env[name] = value;
  for (const auto& [name, value] : options.spec.trial.env) env[name] = value;
  for (const auto& [name, value] : job.parameters) env[parameter_variable(name)] = to_string(value);
  env["KRIGON_PARAMS_FILE"] = workspace.params_file().string();
  env["KRIGON_REPORT_FILE"] = workspace.report_file().string();
  if (!workspace.checkpoint.empty()) env["KRIGON_CHECKPOINT_DIR"] = workspace.checkpoint.string();
  env["KRIGON_TRIAL_DIR"] = workspace.folder.string();
  env["KRIGON_STUDY_DIR"] = fs::absolute(options.study_folder).lexically_normal().string();
  env["KRIGON_STUDY"] = options.spec.name;
  env["KRIGON_TRIAL"] = std::to_string(job.trial);
  env["KRIGON_ATTEMPT"] = std::to_string(job.attempt);
  env["KRIGON_SEED"] = std::to_string(job.seed);
  const std::int64_t max_steps = options.spec.early_stopping.max_steps;
  if (max_steps > 0) env["KRIGON_MAX_STEPS"] = std::to_string(max_steps);
  std::vector<std::string> result;
  for (const auto& [name, value] : env) result.push_back(fmt::format("{}={}", name, value));
  return result;
}

}  // namespace krigon::detail
