// What a manager tells its scheduler, and what it says.
#include <utility>

#include "core/machine.hpp"
#include "manager/manager.hpp"

namespace krigon {

void StudyManager::feed_scheduler_locked() {
  if (!scheduler_->listens()) return;
  if (judged_sequence_ == 0) begin_judging_locked();
  // A long history in portions, so that it is never in memory whole.
  while (feed_portion_locked()) {
  }
}

void StudyManager::begin_judging_locked() {
  const std::int64_t trials = storage_->head(study_.id).next_trial;
  const std::int64_t first = history_.first_of(trials);
  if (first == 0) return;
  // A proposal saw what had happened before its trial began; a person's saw nothing.
  for (const auto& trial : storage_->trials(study_.id, {.from = first, .limit = 1000})) {
    judged_sequence_ = trial.proposal.saw_sequence;
    if (judged_sequence_ > 0) break;
  }
  if (judged_sequence_ == 0) return;
  for (const auto state : {TrialState::queued, TrialState::running, TrialState::paused}) {
    for (const auto& trial : storage_->trials(study_.id, {.state = state})) {
      if (trial.number >= first) break;
      std::pair<std::int64_t, std::int64_t> last;
      for (const auto& report : storage_->reports(study_.id, trial.number)) {
        observe_locked(report);
        if (report.metric == study_.spec.objective().metric) last = {report.attempt, report.step};
      }
      fed_[trial.number] = last;
      scheduler_->observe_parameters(trial.number, trial.parameters);
      scheduler_->observe_state(trial.number, trial.state, trial.proposal.parent, trial.proposal.replaces);
      for (const auto& decision : storage_->decisions(study_.id, trial.number)) remember_locked(decision);
    }
  }
}

void StudyManager::observe_locked(const ReportRecord& report) {
  if (report.metric != study_.spec.objective().metric) return;
  const auto fed = fed_.find(report.trial);
  if (fed != fed_.end() && std::pair(report.attempt, report.step) <= fed->second) return;
  scheduler_->observe(report.trial, report.attempt, report.step, history_.loss(report.value));
}

void StudyManager::remember_locked(const DecisionRecord& decision) {
  if (decision.verdict == "continue") return;
  stopped_.insert_or_assign({decision.trial, decision.attempt},
                            decision.verdict == "pause" ? Verdict::pause : Verdict::stop);
}

bool StudyManager::feed_portion_locked() {
  constexpr std::int64_t kPortion = 20'000;
  const Delta delta = storage_->changes_since(study_.id, judged_sequence_, kPortion);
  for (const auto& report : delta.reports) observe_locked(report);
  for (const auto& trial : delta.trials) {
    scheduler_->observe_parameters(trial.number, trial.parameters);
    if (trial.state == TrialState::completed && completed_.insert(trial.number).second) {
      scheduler_->observe_completed(trial.number,
                                    history_.loss(trial.metrics.at(study_.spec.objective().metric)));
    }
    scheduler_->observe_state(trial.number, trial.state, trial.proposal.parent, trial.proposal.replaces);
  }
  for (const auto& decision : delta.decisions) remember_locked(decision);
  judged_sequence_ = delta.sequence;
  return delta.sequence < delta.head.sequence;
}

Judgement StudyManager::report(std::int64_t trial, std::int64_t fence, std::int64_t step,
                               const Metrics& metrics) {
  const Applied applied = apply(ReportStep{trial, fence, step, metrics});
  if (ended(applied.trial->state)) return {Verdict::stop, nullptr, "the trial has ended"};
  const std::lock_guard guard(judge_lock_);
  feed_scheduler_locked();
  const std::pair key{trial, applied.attempt->number};
  if (const auto told = stopped_.find(key); told != stopped_.end()) {
    return {told->second, nullptr, "told to stop before"};
  }
  if (!metrics.contains(study_.spec.objective().metric)) return {};
  Judgement judgement = scheduler_->judge(trial);
  const bool go_on = judgement.verdict == Verdict::go_on;
  if (applied.changed && (!go_on || !judgement.basis.is_null())) {
    put(RecordDecision{trial, applied.attempt->fence, step,
                       go_on                                 ? "continue"
                       : judgement.verdict == Verdict::pause ? "pause"
                                                             : "stop",
                       judgement.basis});
  }
  if (!go_on) stopped_.insert_or_assign(key, judgement.verdict);
  return judgement;
}

bool StudyManager::should_stop(std::int64_t trial) {
  const std::lock_guard guard(judge_lock_);
  feed_scheduler_locked();
  const auto record = storage_->trial(study_.id, trial);
  return record && (ended(record->state) || stopped_.contains({trial, record->attempts}));
}

Applied StudyManager::end_early(std::int64_t trial, std::int64_t fence, const std::string& reason) {
  const auto record = storage_->trial(study_.id, trial);
  const bool pause = [&] {
    const std::lock_guard guard(judge_lock_);
    const auto told = stopped_.find({trial, record ? record->attempts : 0});
    return told != stopped_.end() && told->second == Verdict::pause;
  }();
  if (pause) return apply(PauseTrial{trial, fence, reason});
  return apply(StopTrial{trial, fence, reason});
}

}  // namespace krigon
