#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/records.hpp"
#include "core/spec.hpp"
#include "runner/runner.hpp"
#include "worker/run_loop.hpp"

namespace krigon {

/// Runs the study's `on_best` command when a new best trial was told: the step to deployment. One at
/// a time; while one runs, only the newest best waits, for an older one is of no use any more.
class OnBest {
 public:
  OnBest(const StudySpec& spec, const RunOptions& options);

  /// Starts the command for this trial, or notes it as the next one.
  void start(const TrialRecord& trial, const std::filesystem::path& checkpoint, RunObserver& observer);
  /// Notices when it has ended; a failure is said, and changes nothing else.
  void poll(RunObserver& observer);
  /// Waits for what runs or waits; a second Ctrl-C ends it.
  void finish(RunObserver& observer);

 private:
  void take(const RunnerEvent& event, RunObserver& observer);

  std::optional<Runner> runner_;  ///< none without a command
  std::uint64_t seed_;
  std::function<int()> interrupts_;
  std::optional<TrialJob> next_;
};

}  // namespace krigon
