#include "manager/manager.hpp"

#include <utility>

#include "core/random.hpp"
#include "krigon/error.hpp"

namespace krigon {

std::uint64_t trial_seed(const StudySpec& spec, std::int64_t number) {
  return Random(spec.seed, static_cast<std::uint64_t>(number), Purpose::trial_seed)() >> 33;
}

StudyManager::StudyManager(std::shared_ptr<Storage> storage, StudyRecord study,
                           std::unique_ptr<Sampler> sampler, std::unique_ptr<Scheduler> scheduler)
    : storage_(std::move(storage)),
      study_(std::move(study)),
      sampler_(std::move(sampler)),
      history_(study_.spec.space, study_.spec.objective(), study_.spec.early_stopping.max_steps),
      scheduler_(std::move(scheduler)) {}

StudyManager::~StudyManager() = default;

Asked StudyManager::asked(Applied applied, bool repeated) const {
  Asked result;
  result.seed = trial_seed(study_.spec, applied.trial->number);
  result.trial = std::move(*applied.trial);
  if (applied.attempt) result.attempt = std::move(*applied.attempt);
  result.repeated = repeated;
  return result;
}

Suggestion StudyManager::suggest_locked(std::int64_t number) {
  Suggestion suggestion = sampler_->propose(history_, number);
  suggestion.proposal.saw_sequence = history_.sequence();
  suggestion.proposal.pending = history_.pending();
  return suggestion;
}

std::optional<Asked> StudyManager::ask(const Holder& holder, const std::string& key) {
  // Another process may take the queue's head, or ask first: then look again at what stands now.
  while (true) {
    if (const auto queued = storage_->next_queued(study_.id)) {
      try {
        auto applied =
            apply(LeaseTrial{queued->number, holder.worker, holder.host, holder.lease, nullptr, key});
        const bool repeated = !applied.changed;
        return asked(std::move(applied), repeated);
      } catch (const ConflictError&) {
        continue;
      }
    }
    const std::lock_guard guard(propose_lock_);
    history_.apply(storage_->changes_since(study_.id, history_.sequence()));
    CreateTrial create;
    create.key = key;
    create.worker = holder.worker;
    create.host = holder.host;
    create.lease = holder.lease;
    create.expect_number = history_.head().next_trial;
    if (key.empty() || !history_.find_key(key)) {
      Suggestion suggestion = suggest_locked(create.expect_number);
      if (suggestion.exhausted) return std::nullopt;
      create.parameters = std::move(suggestion.parameters);
      create.proposal = std::move(suggestion.proposal);
    }
    try {
      auto applied = storage_->apply(study_.id, create);
      const bool repeated = !applied.changed;
      return asked(std::move(applied), repeated);
    } catch (const StaleError&) {
      continue;
    }
  }
}

std::optional<TrialRecord> StudyManager::propose() {
  while (true) {
    const std::lock_guard guard(propose_lock_);
    history_.apply(storage_->changes_since(study_.id, history_.sequence()));
    CreateTrial create;
    create.expect_number = history_.head().next_trial;
    Suggestion suggestion = suggest_locked(create.expect_number);
    if (suggestion.exhausted) return std::nullopt;
    create.parameters = std::move(suggestion.parameters);
    create.proposal = std::move(suggestion.proposal);
    try {
      return storage_->apply(study_.id, create).trial;
    } catch (const StaleError&) {
      continue;
    }
  }
}

TrialRecord StudyManager::enqueue(const Parameters& parameters) {
  CreateTrial create;
  create.parameters = study_.spec.space.complete(parameters);
  create.proposal.sampler = "enqueued";
  create.front = true;
  return *storage_->apply(study_.id, create).trial;
}

void StudyManager::feed_scheduler_locked() {
  const Delta delta = storage_->changes_since(study_.id, judged_sequence_);
  const auto& objective = study_.spec.objective();
  const auto loss = [&](double value) { return objective.direction == Direction::minimize ? value : -value; };
  for (const auto& report : delta.reports) {
    if (report.metric == objective.metric) {
      scheduler_->observe(report.trial, report.attempt, report.step, loss(report.value));
    }
  }
  for (const auto& trial : delta.trials) {
    if (trial.state == TrialState::completed && completed_.insert(trial.number).second) {
      scheduler_->observe_completed(trial.number, loss(trial.metrics.at(objective.metric)));
    }
  }
  for (const auto& decision : delta.decisions) {
    if (decision.verdict == "stop") stopped_.emplace(decision.trial, decision.attempt);
  }
  judged_sequence_ = delta.sequence;
}

Judgement StudyManager::report(std::int64_t trial, std::int64_t fence, std::int64_t step,
                               const Metrics& metrics) {
  const Applied applied = apply(ReportStep{trial, fence, step, metrics});
  if (ended(applied.trial->state)) return {Verdict::stop, nullptr, "the trial has ended"};
  const std::lock_guard guard(judge_lock_);
  feed_scheduler_locked();
  const std::pair key{trial, applied.attempt->number};
  if (stopped_.contains(key)) return {Verdict::stop, nullptr, "told to stop before"};
  if (!metrics.contains(study_.spec.objective().metric)) return {};
  Judgement judgement = scheduler_->judge(trial);
  const bool stop = judgement.verdict == Verdict::stop;
  if (applied.changed && (stop || !judgement.basis.is_null())) {
    storage_->apply(study_.id, RecordDecision{trial, applied.attempt->fence, step, stop ? "stop" : "continue",
                                              judgement.basis});
  }
  if (stop) stopped_.insert(key);
  return judgement;
}

bool StudyManager::should_stop(std::int64_t trial) {
  const std::lock_guard guard(judge_lock_);
  feed_scheduler_locked();
  const auto record = storage_->trial(study_.id, trial);
  return record && (ended(record->state) || stopped_.contains({trial, record->attempts}));
}

Applied StudyManager::apply(const Command& command) {
  return storage_->apply(study_.id, command);
}

std::optional<TrialRecord> StudyManager::best() {
  const StudyHead head = storage_->head(study_.id);
  if (head.best_trial < 0) return std::nullopt;
  return storage_->trial(study_.id, head.best_trial);
}

StudyHead StudyManager::head() {
  return storage_->head(study_.id);
}

}  // namespace krigon
