#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/records.hpp"
#include "core/storage.hpp"

namespace krigon {

struct StepValue {
  std::int64_t step = 0;
  double value = 0;
};

/// A study in memory as samplers and schedulers see it: fed by Storage deltas, a function of the
/// events up to sequence(). Nothing in it depends on when or how often it was synchronised.
class History {
 public:
  History(Space space, Objective objective, std::int64_t max_steps);

  void apply(const Delta& delta);

  const Space& space() const { return space_; }
  const Objective& objective() const { return objective_; }
  /// The step at which a trial is complete, 0 when not known.
  std::int64_t max_steps() const { return max_steps_; }
  std::int64_t sequence() const { return sequence_; }
  const StudyHead& head() const { return head_; }

  /// All trials, by number.
  std::span<const TrialRecord> trials() const { return trials_; }
  const TrialRecord& trial(std::int64_t number) const { return trials_.at(static_cast<std::size_t>(number)); }
  /// Numbers of ended trials, in the order in which they ended (cancelled ones left out).
  std::span<const std::int64_t> ended() const { return ended_; }
  /// Numbers of queued and running trials, ascending.
  std::vector<std::int64_t> pending() const { return {pending_.begin(), pending_.end()}; }
  /// Takes a trial out of pending(), or back in: for another proposal in its place.
  void hide(std::int64_t number) { pending_.erase(number); }
  void show(std::int64_t number) { pending_.insert(number); }
  /// Whether some trial was made with this client key.
  bool find_key(const std::string& key) const { return keys_.contains(key); }
  /// The objective's reports of the newest attempt, rising in step. Empty when none.
  std::span<const StepValue> reports(std::int64_t trial) const;
  /// The trial's final objective value. Precondition: it is completed.
  double value(std::int64_t trial) const;
  /// The objective turned so that smaller is better.
  double loss(double value) const { return objective_.direction == Direction::minimize ? value : -value; }

 private:
  struct Curve {
    std::int64_t attempt = 0;
    std::vector<StepValue> values;
  };
  Space space_;
  Objective objective_;
  std::int64_t max_steps_ = 0;
  std::int64_t sequence_ = 0;
  StudyHead head_;
  std::vector<TrialRecord> trials_;
  std::vector<std::int64_t> ended_;
  std::set<std::int64_t> pending_;
  std::unordered_set<std::string> keys_;
  std::unordered_map<std::int64_t, Curve> curves_;
};

}  // namespace krigon
