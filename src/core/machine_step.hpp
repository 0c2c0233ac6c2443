#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/machine.hpp"

/// What the commands' transitions are made of; transition() alone is for others.
namespace krigon::detail {

using Result = std::variant<Transition, Refusal>;

inline Refusal refuse(RefusalKind kind, std::string message) {
  return {kind, std::move(message)};
}

bool same_bits(double a, double b);

/// Gathers one transition's changes.
class Step {
 public:
  Step(const Rows& rows, TimeUs now) : now_(now), head_(rows.head()) {}

  StudyHead& head() { return head_; }
  /// Moves the trial, and the counts of the head with it.
  void set_state(TrialRecord& trial, TrialState state);
  AttemptRecord begin_attempt(TrialRecord& trial, const std::string& worker, const std::string& host,
                              TimeUs lease);
  /// Closes the transition with its one event.
  Transition finish(std::string kind, TrialRecord trial, std::optional<AttemptRecord> attempt,
                    nlohmann::json detail = nullptr);

  Change change;

 private:
  TimeUs now_;
  StudyHead head_;
};

Transition unchanged(TrialRecord trial, std::optional<AttemptRecord> attempt);

struct Held {
  TrialRecord trial;
  std::optional<AttemptRecord> attempt;  ///< the newest
};

/// The trial and its newest attempt, if `fence` may speak for it. An ended trial passes: what a
/// second word about it means is for the command to say.
std::variant<Held, Refusal> held(const Rows& rows, std::int64_t number, std::int64_t fence);

/// The refusal of a word about a trial that has ended.
Refusal already(const TrialRecord& trial, std::string_view attempted);

// One for each command, by what it does: machine_begin.cpp, machine_tell.cpp, machine_end.cpp, machine.cpp.
Result apply(const Rows& rows, const CreateTrial& c, TimeUs now);
Result apply(const Rows& rows, const ReviseProposal& c, TimeUs now);
Result apply(const Rows& rows, const LeaseTrial& c, TimeUs now);
Result apply(const Rows& rows, const LeaseNext& c, TimeUs now);
Result apply(const Rows& rows, const RenewLease& c, TimeUs now);
Result apply(const Rows& rows, const ReportStep& c, TimeUs now);
Result apply(const Rows& rows, const CompleteTrial& c, TimeUs now);
Result apply(const Rows& rows, const StopTrial& c, TimeUs now);
Result apply(const Rows& rows, const PauseTrial& c, TimeUs now);
Result apply(const Rows& rows, const ResumeTrial& c, TimeUs now);
Result apply(const Rows& rows, const FailAttempt& c, TimeUs now);
Result apply(const Rows& rows, const ReleaseTrial& c, TimeUs now);
Result apply(const Rows& rows, const CancelTrial& c, TimeUs now);
Result apply(const Rows& rows, const RecordDecision& c, TimeUs now);
Result apply(const Rows& rows, const TakeSuggester& c, TimeUs now);
Result apply(const Rows& rows, const AddRunningTime& c, TimeUs now);

}  // namespace krigon::detail
