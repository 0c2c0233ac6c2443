#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/records.hpp"
#include "core/spec.hpp"

namespace krigon {

/// One attempt to be run.
struct TrialJob {
  std::int64_t trial = 0;
  std::int64_t attempt = 1;
  std::uint64_t seed = 0;
  Parameters parameters;
  /// The checkpoint folder to hand over instead of the trial's own (the `on_best` command gets the
  /// best trial's); only where the study's trials keep checkpoints.
  std::optional<std::filesystem::path> checkpoint = {};
  bool needs_result = true;  ///< false: exit 0 alone is completed (`on_best`)
  std::int64_t parent = -1;  ///< trial whose checkpoints the first attempt begins with, -1: none
};

/// The trial reported metrics at a step.
struct Reported {
  std::int64_t trial = 0, attempt = 1;
  std::int64_t step = 0;
  Metrics metrics;
};

/// The attempt is over: nothing of it runs any more and all its reports have been delivered.
struct Ended {
  std::int64_t trial = 0, attempt = 1;
  Outcome outcome = Outcome::none;
  /// Completed only: the reports without a step, later over earlier; where the objective is not
  /// among them, also those of the last step that had it. Empty otherwise.
  Metrics metrics;
  std::string reason;  ///< for a person; empty when completed
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string stderr_tail;       ///< last lines of stderr, at most 4 kB of printable UTF-8
  double seconds = 0;            ///< wall time
  double cpu_seconds = 0;        ///< of the program and the children that it waited for
  std::int64_t peak_memory = 0;  ///< bytes resident, of the largest of these processes
  /// What went wrong without deciding the outcome, for a person: report lines set aside, output left
  /// out, a memory limit that could not be set. The first few.
  std::vector<std::string> warnings;
};

using RunnerEvent = std::variant<Reported, Ended>;

enum class StopReason { early_stop, timeout, cancelled };

struct RunnerOptions {
  StudySpec spec;
  std::filesystem::path study_folder;   ///< where the study file is
  std::filesystem::path trials_folder;  ///< one folder a trial is made in here
  /// The shim program; empty: krigon-shim beside this executable or in ../libexec/krigon.
  std::filesystem::path shim = {};
};

/// What runs trials for a worker: processes, or in a simulation none. Called by one thread.
class TrialRunner {
 public:
  virtual ~TrialRunner() = default;
  virtual void start(const TrialJob& job) = 0;
  virtual std::int64_t capacity() const = 0;
  virtual std::filesystem::path checkpoint_folder(std::int64_t trial) const = 0;
  virtual void stop(std::int64_t trial, StopReason reason) = 0;
  virtual void kill(std::int64_t trial) = 0;
  virtual std::vector<RunnerEvent> poll(std::chrono::milliseconds timeout, int wake_fd) = 0;
};

/// Runs trials as child processes, each under a shim. All waiting happens in poll().
/// Owned and called by one thread. The destructor kills whatever still runs and waits for it. Should
/// the whole process die, however it dies, the shims end their trials.
///
/// Each attempt gets the folder trials_folder/<trial>/attempt-<n>/ with stdout.log, stderr.log,
/// params.json and report.jsonl; where trials keep checkpoints, attempts share
/// trials_folder/<trial>/checkpoint/. The folder of an attempt that is started again, and the checkpoints
/// before a first attempt, are emptied; a clone's first attempt gets a copy of its parent's. A parent that
/// runs may be writing there: whole files at a time, which are then renamed, are always whole in the copy.
class Runner final : public TrialRunner {
 public:
  /// Throws EnvironmentError when the folder or the shim cannot be used or one trial asks for more
  /// resources than there are; UsageError for a metric's pattern that does not compile.
  explicit Runner(RunnerOptions options);
  ~Runner() override;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Starts an attempt. Resources are taken from the free ones. A program that cannot be started
  /// is no exception: it ends with Outcome::could_not_start. Throws UsageError when capacity() is 0
  /// or the trial runs already.
  void start(const TrialJob& job) override;
  /// How many further trials the resources allow now; about a million where they set no limit.
  std::int64_t capacity() const override;
  std::size_t running() const;  ///< attempts started whose Ended is not yet out
  /// Where a trial's checkpoints are, whether or not it runs; where trials keep none, nothing is there.
  std::filesystem::path checkpoint_folder(std::int64_t trial) const override;
  /// What a running attempt was given: {"gpus": [...], "cpus": [...]}.
  nlohmann::json resources(std::int64_t trial) const;
  /// SIGTERM to all its processes, SIGKILL after the grace period. Its Ended event says why: the
  /// first reason counts. A program that had ended by itself before is judged by how it ended.
  /// A trial that does not run is left alone.
  void stop(std::int64_t trial, StopReason reason) override;
  /// SIGKILL at once; Outcome::cancelled unless it was being stopped for another reason.
  void kill(std::int64_t trial) override;
  /// Waits at most `timeout` for something to happen and returns it, in order within a trial.
  /// Returns early on a signal to this thread or when wake_fd becomes readable (-1: none); wake_fd
  /// itself is not read.
  std::vector<RunnerEvent> poll(std::chrono::milliseconds timeout, int wake_fd = -1) override;
  /// Whether memory limits are enforced here, and if not why (for `doctor`).
  static std::string memory_limit_support();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Replaces {name} by the parameter's value; "{{" and "}}" stand for braces. Throws SpaceError for a
/// name that is no parameter and for a single brace; an inactive parameter becomes the empty string.
/// `extra` are further names; in a trial's command {trial}, {attempt}, {seed}, {max_steps}, {folder},
/// {checkpoint} (where trials keep them), {study_folder}. A parameter of the same name wins.
std::vector<std::string> expand_command(const std::vector<std::string>& command, const Space& space,
                                        const Parameters& parameters,
                                        const std::map<std::string, std::string>& extra);

}  // namespace krigon
