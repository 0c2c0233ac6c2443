#include "worker/run_loop.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "worker/on_best.hpp"

namespace krigon {

std::string_view to_string(RunEnd end) {
  switch (end) {
    case RunEnd::budget:
      return "budget";
    case RunEnd::time:
      return "time";
    case RunEnd::exhausted:
      return "exhausted";
    case RunEnd::interrupted:
      return "interrupted";
    case RunEnd::too_many_failures:
      break;
  }
  return "too_many_failures";
}

namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

class RunLoop {
 public:
  RunLoop(StudyManager& manager, const RunOptions& options, RunObserver& observer)
      : manager_(manager),
        options_(options),
        observer_(observer),
        spec_(manager.study().spec),
        runner_({spec_, options.study_folder, options.trials_folder, options.shim}),
        on_best_(spec_, options),
        worker_(local_worker_name()),
        host_(worker_.substr(0, worker_.find(':'))) {}

  RunResult run() {
    recover_lost_trials(manager_, observer_);
    head_ = manager_.head();
    while (true) {
      heed_interrupts();
      start_trials();
      if (live_.empty() && end_) break;
      const auto events = runner_.poll(std::chrono::milliseconds(200), options_.wake_fd);
      for (const auto& event : events) {
        std::visit([this](const auto& e) { handle(e); }, event);
      }
      keep_house();
      if (live_.empty()) head_ = manager_.head();  // other managers of this study may use up the budget
      tick();
    }
    on_best_.finish(observer_);
    add_running_time();
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
    if (static_cast<std::int64_t>(live_.size()) >= spec_.budget.parallel || runner_.capacity() < 1)
      return false;
    return !spec_.budget.trials || head_.finished() + head_.running < *spec_.budget.trials;
  }

  void start_trials() {
    while (may_start()) {
      // While a trial runs its end may change what comes next, so only an idle run is out of points.
      auto asked = manager_.ask({worker_, host_, options_.lease});
      head_ = manager_.head();
      if (!asked) {
        if (live_.empty()) end_ = RunEnd::exhausted;
        return;
      }
      if (!asked->trial.proposal.note.empty()) {
        observer_.note(fmt::format("trial {}: {}", asked->trial.number, asked->trial.proposal.note));
      }
      const std::int64_t number = asked->trial.number;
      auto [place, fresh] = live_.emplace(number, Live{std::move(asked->trial), std::move(asked->attempt)});
      runner_.start({number, place->second.attempt.number, asked->seed, place->second.trial.parameters});
      observer_.started(place->second.trial, place->second.attempt);
    }
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
      if (judgement.verdict == Verdict::stop) {
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
    if (new_best) best_at_ = SteadyClock::now();
    observer_.ended(*now, event, new_best);
    if (new_best) on_best_.start(*now, runner_.checkpoint_folder(now->number), observer_);
  }

  std::optional<TrialRecord> tell(const Live& live, const Ended& event) {
    const std::int64_t fence = live.attempt.fence;
    if (live.stopping) return manager_.apply(StopTrial{event.trial, fence, live.stop_reason}).trial;
    if (event.outcome == Outcome::completed) {
      try {
        return manager_.apply(CompleteTrial{event.trial, fence, event.metrics, event.exit_code}).trial;
      } catch (const UsageError& e) {
        return fail(event, fence, Outcome::bad_result, e.what());
      }
    }
    if (live.handed_back)
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
    const double quarter = static_cast<double>(options_.lease) / kSecond / 4;
    if (seconds_since(renewed_) < quarter) return;
    renewed_ = SteadyClock::now();
    for (auto& [number, live] : live_) {
      if (live.orphaned) continue;
      try {
        manager_.apply(RenewLease{number, live.attempt.fence, options_.lease});
      } catch (const ConflictError& e) {
        abandon(live, e.what());
      }
    }
    recover_lost_trials(manager_, observer_);
    add_running_time();
  }

  double unsaved_time() const { return seconds_since(time_saved_); }

  void add_running_time() {
    const double amount = unsaved_time();
    time_saved_ = SteadyClock::now();
    manager_.apply(AddRunningTime{static_cast<TimeUs>(amount * kSecond)});
    head_ = manager_.head();
  }

  void tick() {
    RunState state;
    state.head = head_;
    state.running_here = live_.size();
    state.ended_here = ended_here_;
    state.elapsed = seconds_since(started_);
    state.best_since = best_at_ ? seconds_since(*best_at_) : -1;
    state.interrupts = interrupts_;
    observer_.tick(state);
  }

  StudyManager& manager_;
  const RunOptions& options_;
  RunObserver& observer_;
  const StudySpec& spec_;
  Runner runner_;
  OnBest on_best_;
  std::string worker_;
  std::string host_;
  StudyHead head_;
  std::map<std::int64_t, Live> live_;
  std::optional<RunEnd> end_;
  int interrupts_ = 0;
  std::int64_t ended_here_ = 0;
  std::optional<SteadyClock::time_point> best_at_;
  SteadyClock::time_point started_ = SteadyClock::now();
  SteadyClock::time_point renewed_ = started_;
  SteadyClock::time_point time_saved_ = started_;
};

}  // namespace

RunResult run_study(StudyManager& manager, const RunOptions& options, RunObserver& observer) {
  if (manager.study().spec.trial.command.empty()) {
    throw UsageError(
        "the study has no trial command to run (add `trial: {command: [...]}`, or drive it with ask and "
        "tell)");
  }
  return RunLoop(manager, options, observer).run();
}

}  // namespace krigon
