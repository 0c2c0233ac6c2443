#pragma once

#include "simulation/forwarding.hpp"

namespace krigon::simulation {

/// What the store and its managers rest on. Each can be undone from outside, so that it is seen whether the
/// simulation would notice.
enum class Protection {
  none,             ///< all stand
  fencing,          ///< a word is refused that comes with the token of an older attempt
  first_tell,       ///< the first result of a trial stands
  one_suggester,    ///< a proposal is refused that comes from a suggester which was replaced
  store_clock,      ///< leases end by the store's clock, looked at when a trial is taken away
  fresh_proposals,  ///< a proposal is refused that did not see every trial before it
  budget_at_lease,  ///< no trial is handed out beyond the budget
  keys,             ///< a request with the same key makes nothing new
  recovery,         ///< what a dead worker ran goes back to the queue
  silence,          ///< a lease that no one renews is over, too, where the clock was set back
};
inline constexpr int kProtections = static_cast<int>(Protection::silence) + 1;

std::string_view to_string(Protection protection);

/// The store without one of its protections.
class Unprotected final : public Forwarding {
 public:
  Unprotected(std::shared_ptr<Storage> inner, Protection without)
      : Forwarding(std::move(inner)), without_(without) {}
  Applied apply(std::int64_t study, const Command& command) override;
  TimeUs now() override;
  std::vector<AttemptRecord> running_attempts(std::int64_t study) override;

 private:
  Protection without_;
};

}  // namespace krigon::simulation
