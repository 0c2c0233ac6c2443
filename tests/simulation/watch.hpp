#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulation/forwarding.hpp"
#include "simulation/plan.hpp"

namespace krigon::simulation {

/// Something that must never be was. No std::exception, so that nothing on the way takes it for a fault that
/// it can live with.
struct Violation {
  std::string invariant;
  std::string detail;
};

/// Sees every command and what came of it, keeps a study of its own by what the contract says (nothing here
/// calls the state machine), and throws a Violation where the store says otherwise. Each look is at what a
/// command touched; everything() compares all rows.
class Watch final : public Forwarding {
 public:
  Watch(std::shared_ptr<Storage> inner, const Plan& plan, const TimeUs& now, const Clock& clock);

  /// Who gives the next command. Empty: a person.
  void hears(const std::string& speaker) { speaker_ = speaker; }
  Applied apply(std::int64_t study, const Command& command) override;

  /// At the end: every row as it was left, and nothing left undone.
  void everything(std::int64_t study);
  /// Folds anything that happened into the digest.
  void digest(std::uint64_t word);
  void digest(const std::string& text);

  std::uint64_t digest() const { return digest_; }
  std::int64_t commands() const { return commands_; }
  std::int64_t leases_lost() const { return leases_lost_; }
  std::int64_t stale() const { return stale_; }
  std::int64_t refused() const { return refused_; }
  std::int64_t pauses() const { return pauses_; }
  std::int64_t clones() const { return static_cast<std::int64_t>(replaced_.size()); }
  std::int64_t sequence() const { return head_.sequence; }
  /// Queued trials that are no person's own: none where the budget is used up.
  std::int64_t leftovers() const;
  const StudyHead& last_head() const { return head_; }
  TimeUs changed_at() const { return changed_at_; }
  /// The state of a trial, by the watch's own study.
  std::optional<TrialState> state(std::int64_t trial) const;
  /// Called with the sequence number after each event.
  std::function<void(std::int64_t)> on_event = [](std::int64_t) {};
  std::ostream* trace = nullptr;

 private:
  struct Known {
    TrialState state = TrialState::queued;
    std::int64_t attempts = 0;
    std::int64_t begins = 1;  ///< attempts that it may have had, by how often it went back to the queue
    std::int64_t losses = 0;
    std::int64_t fence = 0;  ///< of the newest attempt
    TimeUs lease_until = 0;
    TimeUs renewed_at = 0;  ///< by the world's time
    std::string worker;
    bool open = false;  ///< its newest attempt has not ended
    bool own = false;   ///< a person's point
    double told = 0;
    std::int64_t created = 0;  ///< event
    std::int64_t ended = 0;    ///< event
  };
  struct Seen;  ///< one command, before and after

  void check(bool holds, const char* invariant, const Seen& seen) const;
  void check_head(const Seen& seen, std::int64_t study);
  void check_trial(const Seen& seen);
  void check_attempt(const Seen& seen);
  void check_token(const Seen& seen);
  void check_result(const Seen& seen);
  void check_proposal(const Seen& seen, std::int64_t study);
  void check_clone(const Seen& seen, std::int64_t study);
  void check_budget(const Seen& seen);
  void check_suggester(const Seen& seen);
  /// Whether a lease that was last renewed at `since` is over by the world's time, whatever the store's clock
  /// says.
  bool silent(TimeUs since, TimeUs lease) const;
  void remember(const Seen& seen);
  /// Since the beginning, in seconds.
  double time() const { return static_cast<double>(now_ - began_) / kSecond; }

  const Plan& plan_;
  const TimeUs& now_;
  const Clock& clock_;
  std::string speaker_;
  StudyHead head_;
  std::vector<Known> known_;
  std::map<TrialState, std::int64_t> counts_;
  std::map<std::string, std::int64_t> keys_;
  /// By sequence: how many trials had ended (but for those cancelled), how many were neither.
  std::vector<std::pair<std::int64_t, std::int64_t>> stood_{{0, 0}};
  std::set<std::int64_t> replaced_;  ///< by clones
  std::int64_t pauses_ = 0;
  std::int64_t best_ = -1;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::int64_t commands_ = 0;
  std::int64_t leases_lost_ = 0, stale_ = 0, refused_ = 0;  ///< words that did not count
  TimeUs began_;
  TimeUs lead_renewed_at_ = 0;  ///< by the world's time
  TimeUs changed_at_ = 0;
};

}  // namespace krigon::simulation
