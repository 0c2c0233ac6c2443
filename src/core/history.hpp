#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
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
///
/// Of a study of millions it holds a window: the newest trials, from number first() on; of those before,
/// the best `older_best` that completed, and those that are pending. first() is a function of the number of
/// trials, so that a process which has followed the study from its beginning sees what one that comes to it
/// now does.
class History {
 public:
  struct Window {
    std::int64_t size = 25'000;  ///< at least so many of the newest trials, at most three times as many
    std::int64_t older_best = 2'000;
  };

  History(Space space, Objective objective, std::int64_t max_steps, Window window);
  History(Space space, Objective objective, std::int64_t max_steps)
      : History(std::move(space), std::move(objective), max_steps, Window()) {}

  /// The first trial of the window of a study with so many.
  std::int64_t first_of(std::int64_t trials) const;
  /// What was not told yet. Where it brings the study to another first_of(), reset() has to follow.
  void apply(const Delta& delta);
  /// Begins anew with what Storage::window() gave for first_of(delta.head.next_trial).
  void reset(const Delta& delta);
  const Window& window() const { return window_; }

  const Space& space() const { return space_; }
  const Objective& objective() const { return objective_; }
  /// The step at which a trial is complete, 0 when not known.
  std::int64_t max_steps() const { return max_steps_; }
  std::int64_t sequence() const { return sequence_; }
  const StudyHead& head() const { return head_; }

  std::int64_t first() const { return first_; }
  /// All trials from first() on, by number.
  std::span<const TrialRecord> trials() const { return trials_; }
  /// Those before, as far as they are held.
  const std::map<std::int64_t, TrialRecord>& older() const { return older_; }
  /// Precondition: it is held.
  const TrialRecord& trial(std::int64_t number) const;
  /// Numbers of the ended trials that are held, in the order in which they ended (cancelled ones left out).
  std::span<const std::int64_t> ended() const { return ended_; }
  /// Numbers of queued, running and paused trials, ascending.
  std::vector<std::int64_t> pending() const { return {pending_.begin(), pending_.end()}; }
  /// Takes a trial out of pending(), or back in: for another proposal in its place.
  void hide(std::int64_t number) { pending_.erase(number); }
  void show(std::int64_t number) { pending_.insert(number); }
  /// Whether some trial that is held was made with this client key.
  bool find_key(const std::string& key) const { return keys_.contains(key); }
  /// The objective's reports, rising in step: the newest attempt's, and those of earlier ones from before its
  /// first step, where it went on from a checkpoint. Empty when none.
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
  /// Keeps the record; whether it is held from now on.
  bool keep(const TrialRecord& trial);
  void forget(std::int64_t number);
  void take_report(const ReportRecord& report);

  Space space_;
  Objective objective_;
  std::int64_t max_steps_ = 0;
  Window window_;
  std::int64_t sequence_ = 0;
  std::int64_t first_ = 0;
  StudyHead head_;
  std::vector<TrialRecord> trials_;
  std::map<std::int64_t, TrialRecord> older_;
  std::set<std::pair<double, std::int64_t>> older_best_;  ///< (loss, number)
  std::vector<std::int64_t> ended_;
  std::set<std::int64_t> pending_;
  std::unordered_set<std::string> keys_;
  std::unordered_map<std::int64_t, Curve> curves_;
};

}  // namespace krigon
