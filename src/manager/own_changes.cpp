#include "manager/own_changes.hpp"

#include <map>
#include <variant>

namespace krigon {
namespace {

/// More than a manager lets come together before it proposes.
constexpr std::size_t kMostKept = 64;

/// Whether an event of the command touches its trial's row and nothing else that a Delta tells.
bool only_trial(const Command& command) {
  return !std::holds_alternative<ReportStep>(command) && !std::holds_alternative<RecordDecision>(command) &&
         !std::holds_alternative<RenewLease>(command) && !std::holds_alternative<TakeSuggester>(command) &&
         !std::holds_alternative<AddRunningTime>(command);
}

}  // namespace

void OwnChanges::add(const Command& command, const Applied& applied) {
  if (!applied.changed || !applied.trial || !only_trial(command)) return;
  const std::lock_guard guard(lock_);
  if (!changes_.empty() && applied.sequence <= changes_.back().first) return;
  if (!changes_.empty() && applied.sequence != changes_.back().first + 1) changes_.clear();
  changes_.emplace_back(applied.sequence, *applied.trial);
  if (changes_.size() > kMostKept) changes_.pop_front();
}

std::optional<Delta> OwnChanges::since(std::int64_t sequence, const StudyHead& head) {
  Delta delta;
  delta.head = head;
  delta.sequence = head.sequence;
  const std::lock_guard guard(lock_);
  while (!changes_.empty() && changes_.front().first <= sequence) changes_.pop_front();
  if (head.sequence == sequence) return delta;
  if (changes_.empty() || changes_.front().first != sequence + 1 || changes_.back().first < head.sequence) {
    return std::nullopt;
  }
  std::map<std::int64_t, const TrialRecord*> newest;
  for (const auto& [at, trial] : changes_) {
    if (at <= head.sequence) newest.insert_or_assign(trial.number, &trial);
  }
  for (const auto& [number, trial] : newest) delta.trials.push_back(*trial);
  return delta;
}

}  // namespace krigon
