#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "runner/memory_cgroup.hpp"
#include "runner/report_log.hpp"
#include "runner/report_tail.hpp"
#include "runner/resources.hpp"
#include "runner/runner.hpp"
#include "runner/shim_protocol.hpp"
#include "runner/unique_fd.hpp"
#include "runner/workspace.hpp"

namespace krigon::detail {

/// One attempt from its start to its Ended event: its shim, its report file, its resources.
class Attempt {
 public:
  Attempt(const RunnerOptions& options, TrialJob job, Share share);
  /// Kills and waits for what still runs.
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  /// Never throws for what the system refuses: the attempt is then over at once.
  void start(const std::filesystem::path& shim, const std::map<std::string, std::string>& share_env,
             const std::optional<std::filesystem::path>& tools, const MemoryControl& memory);
  void stop(StopReason reason);
  void kill();
  /// Takes what the shim has said.
  void hear();
  /// Appends what is new to `events`; sets `more`.
  void read_reports(std::deque<RunnerEvent>& events);
  /// Nothing of it runs any more and all reports are read.
  bool over() const { return !shim_running() && !more; }
  /// Its last event; once, when over().
  Ended ended();
  /// Blocks until the shim is gone; kills the shim, too, when that takes longer than `patience`.
  void wait_for_shim(Milliseconds patience);

  int socket() const { return socket_.get(); }
  const Share& share() const { return share_; }
  std::string report_file() const { return workspace_.report_file().string(); }

  int watch = -1;     ///< inotify's number for the report file
  bool more = false;  ///< the report file has more to be read at once
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< the time-out

 private:
  bool shim_running() const { return shim_pid_ > 0; }
  void spawn(const std::filesystem::path& shim, const ShimPlan& plan);
  void send_plan(const ShimPlan& plan);
  void say(char word);
  void shim_gone();
  void kill_orphans() const;
  std::string read_stderr_tail() const;

  const RunnerOptions& options_;
  TrialJob job_;
  Share share_;
  Workspace workspace_;
  std::string path_variable_;
  std::string cgroup_;
  UniqueFd socket_;
  pid_t shim_pid_ = -1;
  std::string inbox_;
  std::optional<ShimMessage> last_;
  std::optional<StopReason> stop_;
  std::string start_problem_;
  std::chrono::steady_clock::time_point began_, ended_;
  ReportTail tail_{""};
  ReportLog reports_;
};

}  // namespace krigon::detail
