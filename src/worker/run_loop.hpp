#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/records.hpp"
#include "manager/manager.hpp"
#include "runner/runner.hpp"

namespace krigon {

/// Why a run came to its end.
enum class RunEnd {
  budget,             ///< the trials of the budget have ended
  time,               ///< the time of the budget is up
  exhausted,          ///< the sampler has nothing left to propose
  interrupted,        ///< by a person
  too_many_failures,  ///< more than max_failures trials failed
};

std::string_view to_string(RunEnd end);

/// What a person watches; valid during the call only.
struct RunState {
  StudyHead head;
  std::size_t running_here = 0;
  std::int64_t ended_here = 0;  ///< trials that this run saw end
  double elapsed = 0;           ///< seconds of this run
  double best_since = 0;        ///< seconds since the best was told in this run; < 0: before it
  int interrupts = 0;
};

/// Hears what happens, in the loop's own thread. Every member has an empty default.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void started(const TrialRecord& /*trial*/, const AttemptRecord& /*attempt*/) {}
  virtual void reported(const TrialRecord& /*trial*/, std::int64_t /*step*/, const Metrics& /*metrics*/) {}
  virtual void stopping(const TrialRecord& /*trial*/, const Judgement& /*judgement*/) {}
  /// `trial` as it stands now: ended, or queued again where it is retried or handed back.
  virtual void ended(const TrialRecord& /*trial*/, const Ended& /*how*/, bool /*new_best*/) {}
  /// About five times a second, and after every event.
  virtual void tick(const RunState& /*state*/) {}
  /// Something a person should know: a trial recovered, a command that failed.
  virtual void note(const std::string& /*text*/) {}
};

struct RunOptions {
  std::filesystem::path study_folder;
  std::filesystem::path trials_folder;
  std::filesystem::path shim;  ///< empty: found beside this executable
  /// How often a person pressed Ctrl-C so far. 1: no new trials, running ones end; 2: they are
  /// stopped and handed back; 3: killed.
  std::function<int()> interrupts = [] { return 0; };
  int wake_fd = -1;                        ///< becomes readable when interrupts() rises; drained by its owner
  TimeUs lease = 60 * kSecond;             ///< of a trial
  TimeUs lead_lease = 10 * kSecond;        ///< of the study's suggester
  TimeUs outage = 3600 * kSecond;          ///< for which a store that is away is waited for
  std::optional<std::int64_t> slots = {};  ///< trials at once; the budget's `parallel` where not given
  std::filesystem::path heartbeat_file = {};  ///< touched with each renewal, and while waiting; empty: none
};

struct RunResult {
  RunEnd end = RunEnd::budget;
  std::int64_t ended_here = 0;
  StudyHead head;
};

/// "host:pid:start@namespace": tells a dead process from a living one that got its number.
std::string local_worker_name();
/// Whether the process that `worker` names is alive; nullopt where it is on another host or in another
/// container, or the name is not of that form.
std::optional<bool> worker_alive(const std::string& worker);

/// Leases of others as this worker sees them by its own clock: a worker that lives renews its lease four
/// times while it lasts, so that one which stands unchanged for longer is over, whatever the store's clock
/// was set to.
class LeaseWatch {
 public:
  /// `lease`: how long those last that are watched; microseconds. `seconds`: a clock that never goes back.
  LeaseWatch(TimeUs lease, std::function<double()> seconds) : lease_(lease), seconds_(std::move(seconds)) {}
  /// To be called before the leases are read.
  void ask() { asked_ = seconds_(); }
  /// The lease with this token, as read, ends at `until`: for how long it has stood so, in times that it
  /// lasts.
  double stood(std::int64_t fence, TimeUs until);
  /// A quarter more than it lasts: no two clocks run alike.
  static bool over(double stood) { return stood >= 1.25; }
  /// Forgets those that were not looked at since the last call.
  void forget();

 private:
  struct Sight {
    TimeUs until = 0;
    double first = 0;
    bool fresh = true;  ///< since the last forget()
  };
  TimeUs lease_;
  std::function<double()> seconds_;
  double asked_ = 0;
  std::map<std::int64_t, Sight> seen_;
};

/// Hands the trials of dead managers back to the queue (or fails those out of retries). Returns how
/// many. Trials held by people and clients are left alone. Without a `watch` only the store's clock says
/// whether a lease is over. Not `by_lease`: only of managers of this machine, whose processes are gone.
std::int64_t recover_lost_trials(StudyManager& manager, RunObserver& observer, LeaseWatch* watch = nullptr,
                                 bool by_lease = true);

/// A worker of a study: takes trials, runs them and tells, keeps its leases, recovers what died, and
/// proposes for all where it is the suggester. Any number of them, anywhere, may serve one study.
class WorkerLoop {
 public:
  /// What the loop stands in: the world, or a simulation of it.
  struct World {
    TrialRunner* runner = nullptr;
    std::function<double()> seconds;  ///< a clock of this worker's own that never goes back
    std::string worker;               ///< as local_worker_name()
    std::string host;
    bool threads = true;  ///< proposes for others in a thread
  };

  /// Recovers what died before it.
  WorkerLoop(StudyManager& manager, const RunOptions& options, RunObserver& observer, World world);
  ~WorkerLoop();
  WorkerLoop(const WorkerLoop&) = delete;
  WorkerLoop& operator=(const WorkerLoop&) = delete;

  /// One round: begins what may begin, waits a moment for what runs, tells it. False once nothing runs and
  /// nothing more is to begin.
  bool step();
  /// Leaves the study, and says how it stands.
  RunResult finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Runs trials of the study on this machine until its budget is used up. Goes on where an earlier
/// run was, however that ended. Throws StorageError or EnvironmentError when it cannot go on; what
/// was told by then is kept and no process is left behind.
RunResult run_study(StudyManager& manager, const RunOptions& options, RunObserver& observer);

}  // namespace krigon
