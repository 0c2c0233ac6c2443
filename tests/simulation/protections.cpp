#include "simulation/protections.hpp"

#include <array>

#include "krigon/error.hpp"

namespace krigon::simulation {
namespace {

constexpr std::array<std::string_view, kProtections> kNames{
    "none",   "fencing tokens", "first tell", "one suggester", "store's clock", "fresh proposals",
    "budget", "keys",           "recovery",   "silence"};

/// A machine's own, which is fast.
constexpr TimeUs kLocalClockIsAhead = 2 * kSecond;

}  // namespace

std::string_view to_string(Protection protection) {
  return kNames.at(static_cast<std::size_t>(protection));
}

TimeUs Unprotected::now() {
  return inner_->now() + (without_ == Protection::store_clock ? kLocalClockIsAhead : 0);
}

std::vector<AttemptRecord> Unprotected::running_attempts(std::int64_t study) {
  if (without_ == Protection::recovery) return {};
  return inner_->running_attempts(study);
}

Applied Unprotected::apply(std::int64_t study, const Command& command) {
  Command changed = command;
  std::visit(
      [&](auto& c) {
        if constexpr (requires { c.fence; }) {
          if (without_ == Protection::fencing && c.fence != 0) {
            const auto attempts = inner_->attempts(study, c.trial);
            if (!attempts.empty()) c.fence = attempts.back().fence;
          }
        }
        if constexpr (requires { c.suggester; }) {
          if (without_ == Protection::one_suggester) c.suggester = 0;
        }
        if constexpr (requires { c.if_expired; }) {
          if (without_ == Protection::store_clock) c.if_expired = false;
        }
        if constexpr (requires { c.stood_until; }) {
          if (without_ == Protection::silence) c.stood_until = 0;
        }
        if constexpr (requires { c.expect_number; }) {
          if (without_ == Protection::fresh_proposals) c.expect_number = -1;
        }
        if constexpr (requires { c.within_budget; }) {
          if (without_ == Protection::budget_at_lease) c.within_budget = false;
        }
        if constexpr (requires { c.key; }) {
          if (without_ == Protection::keys) c.key.clear();
        }
      },
      changed);
  try {
    return inner_->apply(study, changed);
  } catch (const ConflictError&) {
    const auto* complete = std::get_if<CompleteTrial>(&changed);
    if (without_ != Protection::first_tell || complete == nullptr) throw;
    auto trial = inner_->trial(study, complete->trial);
    if (!trial || trial->state != TrialState::completed) throw;
    // The row as a store would leave it that takes the last word.
    trial->metrics = complete->metrics;
    const StudyHead head = inner_->head(study);
    return {true, head.sequence, head, std::move(trial), std::nullopt};
  }
}

}  // namespace krigon::simulation
