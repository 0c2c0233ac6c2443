#include "worker/run_loop.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "worker/on_best.hpp"
#include "worker/outage.hpp"
#include "worker/prefill.hpp"

namespace krigon {

namespace {

/// Between two looks for a trial while there is none: from this, doubled, up to that; seconds.
constexpr double kFirstWait = 0.02;
constexpr double kLongestWait = 0.5;

double in_seconds(TimeUs time) {
  return static_cast<double>(time) / kSecond;
}

}  // namespace

class WorkerLoop::Impl {
 public:
  Impl(StudyManager& manager, const RunOptions& options, RunObserver& observer, World world)
      : manager_(manager),
        options_(options),
        observer_(observer),
        world_(std::move(world)),
        spec_(manager.study().spec),
        runner_(*world_.runner),
        on_best_(spec_, options),
        prefill_(manager, world_.worker),
        outage_(manager.storage(), std::chrono::microseconds(options.outage), observer,
                [this] { return meanwhile(); }) {
    recover();
    head_ = manager_.head();
    beat();
    if (world_.threads) thread_.emplace(prefill_);
  }

  bool step() {
    heed_interrupts();
    start_trials();
    if (live_.empty() && end_) return false;
    const std::int64_t wait = early_.empty() ? wait_milliseconds() : 0;
    auto events = std::exchange(early_, {});
    std::ranges::move(runner_.poll(std::chrono::milliseconds(wait), options_.wake_fd),
                      std::back_inserter(events));
    for (const auto& event : events) {
      std::visit([this](const auto& e) { handle(e); }, event);
    }
    keep_house();
    outage_.over();
    if (live_.empty()) head_ = manager_.head();  // other managers of this study may use up the budget
    tick();
    return true;
  }

  RunResult finish() {
    thread_.reset();
    manager_.leave(world_.worker);
    manager_.storage().heartbeat(manager_.study().id, {world_.worker, world_.host}, 0);
    on_best_.finish(observer_);
    add_running_time();
    manager_.settle_beyond();  // what another left that died with the last trial
    head_ = manager_.head();
    return {*end_, ended_here_, head_};
  }

 private:
  struct Live {
    TrialRecord trial;
    AttemptRecord attempt;
    bool stopping = false;  ///< the scheduler said stop: what it still reports is not taken
    bool orphaned = false;  ///< its lease was lost: nothing of it is told
    bool handed_back = false;
    std::string stop_reason = {};
  };

  void heed_interrupts() {
    const int presses = options_.interrupts();
    if (presses <= interrupts_) return;
    interrupts_ = presses;
    end_ = RunEnd::interrupted;
    if (presses == 1)
      observer_.note(fmt::format("no new trials; waiting for {} running (again: stop them)", live_.size()));
    if (presses == 2) observer_.note("stopping the running trials (again: kill them)");
    for (auto& [number, live] : live_) {
      if (presses >= 2) live.handed_back = true;
      if (presses == 2) runner_.stop(number, StopReason::cancelled);
      if (presses >= 3) runner_.kill(number);
    }
  }

  /// While the store is away. Whether this worker is about to leave.
  bool meanwhile() {
    heed_interrupts();
    std::ranges::move(runner_.poll(std::chrono::milliseconds(0), -1), std::back_inserter(early_));
    show_life();
    return interrupts_ > 0;
  }

  /// Sets end_ where no further trial may begin.
  void check_budget() {
    if (end_) return;
    const auto& budget = spec_.budget;
    if (spec_.max_failures && head_.failed > *spec_.max_failures) end_ = RunEnd::too_many_failures;
    if (budget.time &&
        head_.running_time / 1000 + static_cast<std::int64_t>(unsaved_time() * 1e3) >= budget.time->count()) {
      end_ = RunEnd::time;
    }
    if (budget.trials && head_.finished() >= *budget.trials) end_ = RunEnd::budget;
  }

  bool may_start() {
    check_budget();
    if (end_) return false;
    if (static_cast<std::int64_t>(live_.size()) >= slots() || runner_.capacity() < 1) return false;
    return !spec_.budget.trials || head_.finished() + head_.running < *spec_.budget.trials;
  }

  std::int64_t slots() const { return options_.slots.value_or(spec_.budget.parallel); }

  double since(double then) const { return world_.seconds() - then; }

  void start_trials() {
    while (may_start()) {
      if (world_.seconds() < look_again_) return;
      seek_lead();
      // Where others work too, proposals are made for all at once, and not while a process waits.
      const bool alone = !prefill_.others();
      Turn turn = manager_.take({world_.worker, world_.host, options_.lease}, alone);
      auto& asked = turn.asked;
      head_ = manager_.head();
      if (!asked) {
        find_none(turn.wait);
        return;
      }
      wait_ = kFirstWait;
      waiting_ = 0;
      if (live_.contains(asked->trial.number)) {
        give_back(*asked);
        return;
      }
      if (!asked->trial.proposal.note.empty()) {
        observer_.note(fmt::format("trial {}: {}", asked->trial.number, asked->trial.proposal.note));
      }
      const std::int64_t number = asked->trial.number;
      const auto [place, fresh] =
          live_.emplace(number, Live{std::move(asked->trial), std::move(asked->attempt)});
      TrialJob job{number, place->second.attempt.number, asked->seed, place->second.trial.parameters};
      job.parent = place->second.trial.proposal.parent;
      runner_.start(job);
      observer_.started(place->second.trial, place->second.attempt);
    }
  }

  /// A trial that was lost while this worker slept, put back by another, and is taken anew before its old
  /// process here has ended: no two run side by side.
  void give_back(const Asked& again) {
    Live& old = live_.at(again.trial.number);
    if (!old.orphaned) abandon(old, "its lease was lost and the trial was requeued");
    try {
      manager_.apply(
          ReleaseTrial{again.trial.number, again.attempt.fence, "its last attempt still ends here"});
    } catch (const ConflictError&) {
      // It was cancelled meanwhile.
    }
    head_ = manager_.head();
    look_again_ = world_.seconds() + kFirstWait;
  }

  /// There is no trial for a free place. While one runs, its end may change that.
  void find_none(bool wait) {
    look_again_ = world_.seconds() + wait_;
    wait_ = std::min(2 * wait_, kLongestWait);
    if (thread_) thread_->wake();
    if (wait || !live_.empty()) {
      const std::int64_t waiting = slots() - static_cast<std::int64_t>(live_.size());
      if (waiting != waiting_ && !manager_.leads()) {
        waiting_ = waiting;
        beat();
      }
      return;
    }
    if (manager_.settle() > 0) {
      head_ = manager_.head();
      check_budget();
    }
    if (!end_) end_ = RunEnd::exhausted;
  }

  /// Becomes the suggester where there is none that lives.
  void seek_lead() {
    if (manager_.leads()) return;
    lead_.ask();
    const StudyHead head = manager_.head();
    const double stood = lead_.stood(head.suggester_fence, head.suggester_until);
    lead_.forget();
    const bool dead = worker_alive(head.suggester) == std::optional(false);
    if (!head.suggester.empty() && !dead && stood < 1) return;
    manager_.lead(world_.worker, options_.lead_lease, dead ? head.suggester : "",
                  LeaseWatch::over(stood) ? head.suggester_until : 0);
    led_ = world_.seconds();
  }

  std::int64_t wait_milliseconds() const {
    const double until = std::clamp(look_again_ - world_.seconds(), 0.0, 0.2);
    const bool looks = !end_ && until > 0 && static_cast<std::int64_t>(live_.size()) < slots();
    return looks ? static_cast<std::int64_t>(until * 1e3) + 1 : 200;
  }

  void handle(const Reported& event) {
    const auto found = live_.find(event.trial);
    if (found == live_.end() || found->second.attempt.number != event.attempt) return;
    Live& live = found->second;
    // What comes after the verdict is timing, not information: leaving it out keeps runs repeatable.
    if (live.stopping || live.orphaned) return;
    try {
      const Judgement judgement = manager_.report(event.trial, live.attempt.fence, event.step, event.metrics);
      observer_.reported(live.trial, event.step, event.metrics);
      if (judgement.verdict != Verdict::go_on) {
        live.stopping = true;
        live.stop_reason = judgement.reason;
        observer_.stopping(live.trial, judgement);
        runner_.stop(event.trial, StopReason::early_stop);
      }
    } catch (const LeaseLostError& e) {
      abandon(live, e.what());
    } catch (const ConflictError& e) {
      observer_.note(e.what());  // a contradicting report: the first one stands
    }
  }

  void handle(const Ended& event) {
    const auto found = live_.find(event.trial);
    if (found == live_.end() || found->second.attempt.number != event.attempt) return;
    const Live live = std::move(found->second);
    live_.erase(found);
    std::optional<TrialRecord> now;
    if (!live.orphaned) {
      try {
        now = tell(live, event);
      } catch (const ConflictError& e) {
        observer_.note(fmt::format("trial {}: {}", event.trial, e.what()));
      }
    }
    head_ = manager_.head();
    if (!now) return;
    for (const auto& warning : event.warnings)
      observer_.note(fmt::format("trial {}: {}", event.trial, warning));
    if (krigon::ended(now->state)) ++ended_here_;
    const bool new_best = now->state == TrialState::completed && head_.best_trial == now->number;
    if (new_best) best_at_ = world_.seconds();
    observer_.ended(*now, event, new_best);
    if (new_best) on_best_.start(*now, runner_.checkpoint_folder(now->number), observer_);
  }

  std::optional<TrialRecord> tell(const Live& live, const Ended& event) {
    const std::int64_t fence = live.attempt.fence;
    if (live.stopping) return manager_.end_early(event.trial, fence, live.stop_reason).trial;
    if (event.outcome == Outcome::completed) {
      try {
        return manager_.apply(CompleteTrial{event.trial, fence, event.metrics, event.exit_code}).trial;
      } catch (const UsageError& e) {
        return fail(event, fence, Outcome::bad_result, e.what());
      }
    }
    // Cancelled without a word from here: a batch system's signal reached its processes first.
    if (live.handed_back || event.outcome == Outcome::cancelled)
      return manager_.apply(ReleaseTrial{event.trial, fence, "interrupted by a person"}).trial;
    return fail(event, fence, event.outcome, event.reason);
  }

  std::optional<TrialRecord> fail(const Ended& event, std::int64_t fence, Outcome outcome,
                                  const std::string& reason) {
    FailAttempt fail;
    fail.trial = event.trial;
    fail.fence = fence;
    fail.outcome = outcome;
    fail.reason = reason;
    fail.exit_code = event.exit_code;
    fail.signal = event.signal;
    fail.stderr_tail = event.stderr_tail;
    return manager_.apply(fail).trial;
  }

  void abandon(Live& live, const std::string& why) {
    live.orphaned = true;
    observer_.note(fmt::format("trial {}: {}; its process is ended here", live.trial.number, why));
    runner_.kill(live.trial.number);
  }

  /// Heartbeats, running time, trials of managers that died meanwhile.
  void keep_house() {
    on_best_.poll(observer_);
    if (thread_) {
      thread_->check();
    } else if (world_.seconds() >= prefill_at_) {
      prefill_at_ = world_.seconds() + static_cast<double>(prefill_.round().count()) / 1e3;
    }
    if (manager_.leads() && since(led_) >= in_seconds(options_.lead_lease) / 4) {
      manager_.lead(world_.worker, options_.lead_lease);
      led_ = world_.seconds();
    }
    if (since(renewed_) < in_seconds(options_.lease) / 4) return;
    renewed_ = world_.seconds();
    for (auto& [number, live] : live_) {
      if (live.orphaned) continue;
      try {
        manager_.apply(RenewLease{number, live.attempt.fence, options_.lease});
      } catch (const ConflictError& e) {
        abandon(live, e.what());
      }
    }
    beat();
    if (since(heard_) > in_seconds(options_.lease) / 2) came_ = world_.seconds();
    heard_ = world_.seconds();
    recover();
    add_running_time();
  }

  /// To one that comes, or was not heard of for a while, the store may have been away, and for all: the
  /// others' leases are over then, and they are to be heard first.
  void recover() {
    recover_lost_trials(manager_, observer_, &leases_, since(came_) >= in_seconds(options_.lease) / 2);
  }

  /// Says that this worker lives, and how busy it is.
  void beat() {
    WorkerRecord record{world_.worker, world_.host, slots(), static_cast<std::int64_t>(live_.size()),
                        waiting_};
    manager_.storage().heartbeat(manager_.study().id, record, options_.lease);
    show_life();
  }

  void show_life() const {
    if (!options_.heartbeat_file.empty()) std::ofstream(options_.heartbeat_file) << "alive\n";
  }

  double unsaved_time() const { return since(time_saved_); }

  void add_running_time() {
    const double amount = unsaved_time();
    time_saved_ = world_.seconds();
    manager_.apply(AddRunningTime{static_cast<TimeUs>(amount * kSecond)});
    head_ = manager_.head();
  }

  void tick() {
    RunState state;
    state.head = head_;
    state.running_here = live_.size();
    state.ended_here = ended_here_;
    state.elapsed = since(started_);
    state.best_since = best_at_ ? since(*best_at_) : -1;
    state.interrupts = interrupts_;
    observer_.tick(state);
  }

  StudyManager& manager_;
  const RunOptions& options_;
  RunObserver& observer_;
  World world_;
  const StudySpec& spec_;
  TrialRunner& runner_;
  OnBest on_best_;
  Prefill prefill_;
  std::vector<RunnerEvent> early_;  ///< what came while the store was away
  LeaseWatch leases_{options_.lease, world_.seconds};
  LeaseWatch lead_{options_.lead_lease, world_.seconds};
  StudyHead head_;
  std::map<std::int64_t, Live> live_;
  std::optional<RunEnd> end_;
  int interrupts_ = 0;
  std::int64_t ended_here_ = 0;
  std::int64_t waiting_ = 0;  ///< places for which there was no trial when it was last said
  double wait_ = kFirstWait;
  double look_again_ = 0;
  double prefill_at_ = 0;
  std::optional<double> best_at_;
  double started_ = world_.seconds();
  double renewed_ = started_;
  double came_ = started_;   ///< when it was first heard of, or was again
  double heard_ = started_;  ///< when it was last
  double led_ = started_;
  double time_saved_ = started_;
  Outage outage_;
  std::optional<PrefillThread> thread_;  ///< the first to go
};

WorkerLoop::WorkerLoop(StudyManager& manager, const RunOptions& options, RunObserver& observer, World world)
    : impl_(std::make_unique<Impl>(manager, options, observer, std::move(world))) {}
WorkerLoop::~WorkerLoop() = default;
bool WorkerLoop::step() {
  return impl_->step();
}
RunResult WorkerLoop::finish() {
  return impl_->finish();
}

}  // namespace krigon
