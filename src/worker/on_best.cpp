#include "worker/on_best.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace krigon {

using std::chrono::milliseconds;

OnBest::OnBest(const StudySpec& spec, const RunOptions& options)
    : seed_(spec.seed), interrupts_(options.interrupts) {
  if (spec.on_best.empty()) return;
  StudySpec own = spec;
  own.trial.command = spec.on_best;
  own.trial.metrics.clear();
  own.resources = {};  // the trials' share of the machine stays theirs
  runner_.emplace(
      RunnerOptions{std::move(own), options.study_folder, options.trials_folder / "on_best", options.shim});
}

void OnBest::start(const TrialRecord& trial, const std::filesystem::path& checkpoint, RunObserver& observer) {
  if (!runner_) return;
  TrialJob job;
  job.trial = trial.number;
  job.attempt = trial.attempts;
  job.seed = seed_;
  job.parameters = trial.parameters;
  job.checkpoint = checkpoint;
  job.needs_result = false;
  next_ = std::move(job);
  poll(observer);
}

void OnBest::poll(RunObserver& observer) {
  if (!runner_) return;
  if (runner_->running() > 0) {
    for (const auto& event : runner_->poll(milliseconds(0))) take(event, observer);
  }
  if (runner_->running() == 0 && next_) {
    runner_->start(*std::exchange(next_, std::nullopt));
  }
}

void OnBest::finish(RunObserver& observer) {
  while (runner_ && (runner_->running() > 0 || next_)) {
    if (interrupts_() >= 2) {
      runner_.reset();
      return;
    }
    poll(observer);
    for (const auto& event : runner_->poll(milliseconds(200))) take(event, observer);
  }
}

void OnBest::take(const RunnerEvent& event, RunObserver& observer) {
  const auto* ended = std::get_if<Ended>(&event);
  if (ended == nullptr || ended->outcome == Outcome::completed) return;
  observer.note(fmt::format("on_best for trial {} did not succeed: {}{}{}", ended->trial, ended->reason,
                            ended->stderr_tail.empty() ? "" : "\n", ended->stderr_tail));
}

}  // namespace krigon
