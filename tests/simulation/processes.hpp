#pragma once

#include <map>
#include <optional>
#include <vector>

#include "runner/runner.hpp"
#include "simulation/draw.hpp"

namespace krigon::simulation {

/// A worker's trial processes, none of them real. What one does is a function of the seed, the trial and the
/// attempt: steps and values that come evenly, in bursts, late, twice or contradicting themselves; an end by
/// itself, by a failure, by a signal, with a broken value or none, or never.
class Processes final : public TrialRunner {
 public:
  /// `now` is the world's time.
  Processes(std::uint64_t seed, const TimeUs& now) : seed_(seed), now_(now) {}

  void start(const TrialJob& job) override;
  std::int64_t capacity() const override { return 1'000'000; }
  std::filesystem::path checkpoint_folder(std::int64_t) const override { return {}; }
  void stop(std::int64_t trial, StopReason reason) override;
  void kill(std::int64_t trial) override;
  /// Does not wait: hands out what is due.
  std::vector<RunnerEvent> poll(std::chrono::milliseconds timeout, int wake_fd) override;

  /// When the next event is due; nullopt where nothing runs.
  std::optional<TimeUs> next_due() const;
  /// For how long the last poll() would have waited; 0 where it handed something out.
  TimeUs waits() const { return waits_; }
  /// Someone else kills a process. False where none runs.
  bool one_dies(std::int64_t choice);
  void ignore_termination() { stubborn_ = true; }
  /// The worker is dead, and its shims ended everything.
  void all_die() { processes_.clear(); }

 private:
  struct Process {
    std::int64_t attempt = 1;
    std::vector<std::pair<TimeUs, RunnerEvent>> script;  ///< rising in time; the last is its end
    std::size_t next = 0;
    bool stubborn = false;
    std::optional<StopReason> stopping = {};
  };
  /// It ends then, instead of as it would have.
  void end(std::int64_t trial, Process& process, TimeUs at, Outcome outcome, std::optional<int> signal);

  std::uint64_t seed_;
  const TimeUs& now_;
  std::map<std::int64_t, Process> processes_;
  bool stubborn_ = false;
  TimeUs waits_ = 0;
};

}  // namespace krigon::simulation
