// What still waits when a study has come to its end.
#include <fmt/format.h>

#include "core/machine.hpp"
#include "krigon/error.hpp"
#include "manager/manager.hpp"

namespace krigon {

std::int64_t StudyManager::settle() {
  const StudyHead head = storage_->head(study_.id);
  return head.running + head.queued > 0 ? 0 : stop_paused();
}

std::int64_t StudyManager::settle_beyond(std::optional<std::int64_t> budget) {
  const StudyHead head = storage_->head(study_.id);
  if (head.paused + head.queued == 0) return 0;
  // A budget of this manager's own says nothing of what others are to run.
  const bool shared = !budget;
  if (shared) {
    const auto stored = storage_->find_study(study_.name);
    if (!stored || !stored->spec.budget.trials) return 0;
    budget = stored->spec.budget.trials;
  }
  if (storage_->head(study_.id).finished() < *budget) return 0;
  const std::int64_t cancelled = shared ? cancel_queued(*budget) : 0;
  return cancelled + stop_paused();
}

std::int64_t StudyManager::cancel_queued(std::int64_t budget) {
  std::int64_t cancelled = 0;
  for (const auto& trial : storage_->trials(study_.id, {.state = TrialState::queued})) {
    if (trial.proposal.sampler == kEnqueued) continue;
    try {
      put(CancelTrial{trial.number,
                      fmt::format("the budget of {} trial{} was used up before it was run{}", budget,
                                  budget == 1 ? "" : "s", trial.attempts > 0 ? " again" : ""),
                      true});
      ++cancelled;
    } catch (const ConflictError&) {
      // Another did, or it began.
    }
  }
  return cancelled;
}

std::int64_t StudyManager::stop_paused() {
  std::int64_t settled = 0;
  for (const auto& trial : storage_->trials(study_.id, {.state = TrialState::paused})) {
    try {
      put(StopTrial{trial.number, 0, "paused, and not taken up again"});
      ++settled;
    } catch (const ConflictError&) {
      // Another did.
    }
  }
  return settled;
}

}  // namespace krigon
