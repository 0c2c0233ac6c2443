#include "manager/manager.hpp"

#include <algorithm>
#include <utility>

#include "core/machine.hpp"
#include "core/perturb.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

/// In place of a sampler's name, as kEnqueued: a trial that goes on from another's checkpoint.
constexpr const char* kClone = "clone";

CreateTrial trial_for(const Holder& holder) {
  CreateTrial create;
  create.worker = holder.worker;
  create.host = holder.host;
  create.lease = holder.lease;
  return create;
}

/// No model is to miss what it may be told of.
History::Window window_of(const StudySpec& spec) {
  History::Window window;
  window.size = std::max(window.size, spec.sampler.observations.value_or(0));
  return window;
}

}  // namespace

std::uint64_t trial_seed(const StudySpec& spec, std::int64_t number) {
  return Random(spec.seed, static_cast<std::uint64_t>(number), Purpose::trial_seed)() >> 33;
}

StudyManager::StudyManager(std::shared_ptr<Storage> storage, StudyRecord study,
                           std::unique_ptr<Sampler> sampler, std::unique_ptr<Scheduler> scheduler)
    : storage_(std::move(storage)),
      study_(std::move(study)),
      sampler_(std::move(sampler)),
      history_(study_.spec.space, study_.spec.objective(), study_.spec.early_stopping.max_steps,
               window_of(study_.spec)),
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

void StudyManager::sync_history_locked(std::optional<StudyHead> head) {
  // Another thread may have been here since it was read.
  if (!head || head->sequence < history_.sequence()) head = storage_->head(study_.id);
  if (history_.sequence() == 0) {
    history_.reset(load_window(head->next_trial));
  } else if (const auto own = own_.since(history_.sequence(), *head)) {
    history_.apply(*own);
  } else {
    history_.apply(storage_->changes_since(study_.id, history_.sequence()));
  }
  while (history_.first() != history_.first_of(history_.head().next_trial)) {
    history_.reset(load_window(history_.head().next_trial));
  }
}

Delta StudyManager::load_window(std::int64_t trials) {
  return storage_->window(study_.id, history_.first_of(trials), history_.window().older_best);
}

StudyManager::Advanced StudyManager::advance_locked(CreateTrial create, bool within_budget,
                                                    std::optional<StudyHead> head) {
  sync_history_locked(std::move(head));
  create.expect_number = history_.head().next_trial;
  if (!create.key.empty() && history_.find_key(create.key)) {
    return {Advance::made, put(create)};
  }
  const auto& budget = study_.spec.budget.trials;
  const bool room = !within_budget || !budget || history_.head().begun() < *budget;
  std::optional<Continuation> next;
  bool takes_new = false;
  {
    const std::lock_guard guard(judge_lock_);
    feed_scheduler_locked();
    next = scheduler_->continuation();
    takes_new = scheduler_->takes_new(create.expect_number);
  }
  try {
    if (next && next->kind == Continuation::Kind::resume) {
      put(ResumeTrial{next->trial, next->basis});
      return {Advance::again, {}};
    }
    if (!room) return {};
    if (next) {
      const auto parent = storage_->trial(study_.id, next->trial);
      create.parameters = perturb(study_.spec.space, parent->parameters, study_.spec.seed,
                                  create.expect_number, next->resample);
      create.proposal.sampler = kClone;
      create.proposal.saw_sequence = history_.sequence();
      create.proposal.pending = history_.pending();
      create.proposal.model = next->basis;
      create.proposal.parent = next->trial;
      create.proposal.replaces = next->replaces;
      return {Advance::made, put(create)};
    }
    if (!takes_new) return {};
    Suggestion suggestion = suggest_locked(create.expect_number);
    if (suggestion.exhausted) return {Advance::exhausted, {}};
    create.parameters = std::move(suggestion.parameters);
    create.proposal = std::move(suggestion.proposal);
    return {Advance::made, put(create)};
  } catch (const ConflictError&) {
    // Others were quicker, or it is another's to propose now: look again at what stands.
    return {Advance::again, {}};
  }
}

std::optional<Asked> StudyManager::ask(const Holder& holder, const std::string& key) {
  while (true) {
    const StudyHead head = storage_->head(study_.id);
    if (head.queued > 0) {
      auto applied = apply(LeaseNext{holder.worker, holder.host, holder.lease, nullptr, key, false});
      const bool repeated = !applied.changed;
      if (applied.trial) return asked(std::move(applied), repeated);
    }
    const std::lock_guard guard(propose_lock_);
    CreateTrial create = trial_for(holder);
    create.key = key;
    Advanced advanced = advance_locked(std::move(create), false, head);
    if (advanced.what == Advance::made) {
      const bool repeated = !advanced.applied->changed;
      return asked(std::move(*advanced.applied), repeated);
    }
    if (advanced.what == Advance::again) continue;
    settle();
    return std::nullopt;
  }
}

Turn StudyManager::take(const Holder& holder, bool may_propose) {
  while (true) {
    const StudyHead head = storage_->head(study_.id);
    if (head.queued > 0) {
      auto applied = apply(LeaseNext{holder.worker, holder.host, holder.lease, nullptr, "", true});
      if (applied.trial) return {asked(std::move(applied), false), false};
    }
    const auto [fence, dry] = [&] {
      const std::lock_guard guard(lead_lock_);
      return std::pair(suggester_, dry_);
    }();
    if (!may_propose || fence == 0) return {std::nullopt, fence == 0 || head.sequence != dry};
    const std::lock_guard guard(propose_lock_);
    CreateTrial create = trial_for(holder);
    create.suggester = fence;
    Advanced advanced = advance_locked(std::move(create), true, head);
    if (advanced.what == Advance::made) return {asked(std::move(*advanced.applied), false), false};
    if (advanced.what == Advance::again) {
      const StudyHead now = storage_->head(study_.id);
      if (now.suggester_fence == fence) continue;
      const std::lock_guard lost(lead_lock_);
      if (suggester_ == fence) suggester_ = 0;
      return {std::nullopt, true};
    }
    return {std::nullopt, history_.head().running + history_.head().queued > 0};
  }
}

std::optional<TrialRecord> StudyManager::propose() {
  while (true) {
    const std::lock_guard guard(propose_lock_);
    Advanced advanced = advance_locked({}, false);
    if (advanced.what == Advance::made) return std::move(advanced.applied->trial);
    if (advanced.what != Advance::again) return std::nullopt;
  }
}

bool StudyManager::lead(const std::string& worker, TimeUs lease, const std::string& dead,
                        TimeUs stood_until) {
  const StudyHead head = apply(TakeSuggester{worker, lease, dead, stood_until}).head;
  const std::lock_guard guard(lead_lock_);
  suggester_ = head.suggester == worker ? head.suggester_fence : 0;
  return suggester_ != 0;
}

void StudyManager::leave(const std::string& worker) {
  {
    const std::lock_guard guard(lead_lock_);
    if (suggester_ == 0) return;
    suggester_ = 0;
  }
  apply(TakeSuggester{worker, 0, ""});
}

std::int64_t StudyManager::suggester_fence() const {
  const std::lock_guard guard(lead_lock_);
  return suggester_;
}

std::int64_t StudyManager::fill(std::int64_t target, std::int64_t stale) {
  std::int64_t made = 0;
  while (true) {
    const std::int64_t fence = suggester_fence();
    if (fence == 0) return made;
    // For each proposal anew, so that an ask in between need not wait for all.
    const std::lock_guard guard(propose_lock_);
    const StudyHead head = storage_->head(study_.id);
    if (head.suggester_fence != fence) return made;
    if (head.queued < target) {
      CreateTrial create;
      create.suggester = fence;
      const Advanced advanced = advance_locked(std::move(create), true);
      if (advanced.what == Advance::nothing || advanced.what == Advance::exhausted) {
        const std::lock_guard lead(lead_lock_);
        if (history_.head().running + history_.head().queued == 0) dry_ = history_.sequence();
        return made;
      }
      ++made;
      continue;
    }
    if (!sampler_->learns()) return made;
    sync_history_locked();
    const auto number = stale_locked(stale);
    if (!number || !revise_locked(*number)) return made;
    ++made;
  }
}

std::optional<std::int64_t> StudyManager::stale_locked(std::int64_t stale) const {
  // They are in the order of their ends: the one so many before the last tells whether more are newer.
  const auto told = history_.ended();
  if (static_cast<std::int64_t>(told.size()) <= stale) return std::nullopt;
  const std::int64_t limit =
      history_.trial(told[told.size() - 1 - static_cast<std::size_t>(stale)]).ended_sequence;
  for (const std::int64_t number : history_.pending()) {
    const TrialRecord& trial = history_.trial(number);
    if (trial.state != TrialState::queued || trial.attempts > 0) continue;
    if (trial.proposal.sampler == kEnqueued || trial.proposal.parent >= 0) continue;
    if (trial.proposal.saw_sequence < limit) return number;
  }
  return std::nullopt;
}

bool StudyManager::revise_locked(std::int64_t trial) {
  ReviseProposal revise;
  revise.trial = trial;
  revise.suggester = suggester_fence();
  history_.hide(trial);
  Suggestion suggestion;
  try {
    suggestion = suggest_locked(trial);
  } catch (...) {
    history_.show(trial);
    throw;
  }
  history_.show(trial);
  if (suggestion.exhausted) return false;
  revise.parameters = std::move(suggestion.parameters);
  revise.proposal = std::move(suggestion.proposal);
  try {
    put(revise);
  } catch (const StaleError&) {
    return false;
  } catch (const ConflictError&) {
    // It began meanwhile.
  }
  return true;
}

TrialRecord StudyManager::enqueue(const Parameters& parameters) {
  CreateTrial create;
  create.parameters = study_.spec.space.complete(parameters);
  create.proposal.sampler = kEnqueued;
  create.front = true;
  return *put(create).trial;
}

Applied StudyManager::put(const Command& command) {
  Applied applied = storage_->apply(study_.id, command);
  own_.add(command, applied);
  return applied;
}

Applied StudyManager::apply(const Command& command) {
  Applied applied = put(command);
  const auto& budget = study_.spec.budget.trials;
  if (applied.changed && budget && applied.head.paused + applied.head.queued > 0 &&
      applied.head.finished() >= *budget) {
    try {
      settle_beyond();
    } catch (const StorageError&) {
      // What was said has been taken. The rest is done by the next who finds the budget used up.
    }
  }
  return applied;
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
