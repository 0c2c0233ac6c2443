#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/history.hpp"
#include "core/sampler.hpp"
#include "core/scheduler.hpp"
#include "core/storage.hpp"
#include "manager/own_changes.hpp"

namespace krigon {

/// Who runs a trial, and for how long its word is taken without a heartbeat.
struct Holder {
  std::string worker = "client";
  std::string host;
  TimeUs lease = 0;  ///< microseconds; 0: until told, for people and clients
};

/// A trial to be run now.
struct Asked {
  TrialRecord trial;
  AttemptRecord attempt;   ///< its fence speaks for the trial
  std::uint64_t seed = 0;  ///< trial_seed()
  bool repeated = false;   ///< the key was used before: this is the trial it made
};

/// What a worker gets for a free place.
struct Turn {
  std::optional<Asked> asked;
  /// Nothing for now: what runs elsewhere may change that. Without it and without a trial, nothing is left.
  bool wait = false;
};

/// The seed that trial `number` of the study gets; below 2^31, which every program's generator takes.
std::uint64_t trial_seed(const StudySpec& spec, std::int64_t number);

/// One study in use: proposals by its sampler, verdicts by its scheduler, everything durable in its
/// store. Several managers, in one process or in several, may serve one study. Thread-safe: an ask
/// that is fitting a model does not hold up reports and tells.
class StudyManager {
 public:
  StudyManager(std::shared_ptr<Storage> storage, StudyRecord study, std::unique_ptr<Sampler> sampler,
               std::unique_ptr<Scheduler> scheduler);
  ~StudyManager();
  StudyManager(const StudyManager&) = delete;
  StudyManager& operator=(const StudyManager&) = delete;

  const StudyRecord& study() const { return study_; }
  Storage& storage() const { return *storage_; }

  /// The head of the queue, or a new proposal, whoever proposes for the workers; nullopt when there is
  /// nothing (a grid's end, a population that is whole). The same non-empty `key` gives the same trial again.
  std::optional<Asked> ask(const Holder& holder, const std::string& key = "");
  /// For a worker, within the budget: the head of the queue; where it is empty and this is the suggester
  /// (lead()) and `may_propose`, a new proposal.
  Turn take(const Holder& holder, bool may_propose);
  /// A new proposal, left in the queue. nullopt as for ask().
  std::optional<TrialRecord> propose();
  /// A person's own point, at the head of the queue. `parameters` are completed (Space::complete).
  TrialRecord enqueue(const Parameters& parameters);

  /// Becomes the study's suggester, or stays it, for `lease` microseconds; whether it is now. `dead`,
  /// `stood_until`: as in TakeSuggester.
  bool lead(const std::string& worker, TimeUs lease, const std::string& dead = "", TimeUs stood_until = 0);
  /// Lets another be it.
  void leave(const std::string& worker);
  /// Whether the last lead() succeeded.
  bool leads() const { return suggester_fence() != 0; }
  /// Fills the queue up to `target` trials, as far as the budget goes, and makes those anew that are older
  /// than `stale` tells. How many were made. Only as suggester.
  std::int64_t fill(std::int64_t target, std::int64_t stale);
  /// Stops the paused trials once nothing else can begin: they will not go on. How many.
  std::int64_t settle();
  /// The same once as many trials have ended as `budget` allows, whatever waits or runs; by default that of
  /// the study as it is stored, which others may have raised. Beyond that one no one runs what is queued
  /// either: it is cancelled, but for people's own points, which wait for a larger one.
  std::int64_t settle_beyond(std::optional<std::int64_t> budget = {});

  /// Records metrics at a step; judges where the objective is among them. A trial once told to stop
  /// is told so again.
  Judgement report(std::int64_t trial, std::int64_t fence, std::int64_t step, const Metrics& metrics);
  /// Whether the scheduler said stop, or pause, to the trial's newest attempt.
  bool should_stop(std::int64_t trial);
  /// Ends a trial whose report() said so: stopped, or paused where the scheduler said pause.
  Applied end_early(std::int64_t trial, std::int64_t fence, const std::string& reason);
  /// The others go to the state machine as they are (CompleteTrial, FailAttempt, ...). With the last trial of
  /// the budget, whoever had it, what waits is ended: settle_beyond().
  Applied apply(const Command& command);

  /// The completed trial with the best objective, the earliest among equals.
  std::optional<TrialRecord> best();
  StudyHead head();

 private:
  /// In place of a sampler's name: a person's own point.
  static constexpr const char* kEnqueued = "enqueued";

  /// What one step towards a trial for a free place came to.
  enum class Advance { made, again, nothing, exhausted };
  struct Advanced {
    Advance what = Advance::nothing;
    std::optional<Applied> applied;  ///< of what was made
  };
  /// `create` says for whom; `head` is the study's, where it was read a moment ago. Under propose_lock_.
  Advanced advance_locked(CreateTrial create, bool within_budget, std::optional<StudyHead> head = {});
  /// The fencing token while this leads, 0 otherwise.
  std::int64_t suggester_fence() const;
  /// A queued proposal that was made more than `stale` tells ago, the first by number.
  std::optional<std::int64_t> stale_locked(std::int64_t stale) const;
  bool revise_locked(std::int64_t trial);
  Applied put(const Command& command);
  void sync_history_locked(std::optional<StudyHead> head = {});
  Delta load_window(std::int64_t trials);
  Suggestion suggest_locked(std::int64_t number);
  std::int64_t stop_paused();
  std::int64_t cancel_queued(std::int64_t budget);
  Asked asked(Applied applied, bool repeated) const;
  void feed_scheduler_locked();
  /// Of a study of very many trials a scheduler is fed what a sampler sees (History): the newest, from about
  /// the time on when the first of them began, and the older ones that have not ended. Reading all that
  /// millions ever reported would take minutes, for thresholds that come out the same.
  void begin_judging_locked();
  void observe_locked(const ReportRecord& report);
  void remember_locked(const DecisionRecord& decision);
  bool feed_portion_locked();  ///< whether there is more

  std::shared_ptr<Storage> storage_;
  StudyRecord study_;
  OwnChanges own_;

  std::mutex propose_lock_;  ///< guards sampler_ and history_
  std::unique_ptr<Sampler> sampler_;
  History history_;

  mutable std::mutex lead_lock_;
  std::int64_t suggester_ = 0;  ///< fencing token while this leads, 0: it does not
  std::int64_t dry_ = -1;       ///< the study's last event when fill() found nothing left to begin

  std::mutex judge_lock_;  ///< guards what follows
  std::unique_ptr<Scheduler> scheduler_;
  std::int64_t judged_sequence_ = 0;
  std::set<std::int64_t> completed_;  ///< told to the scheduler already
  /// The last report, as (attempt, step), of older trials that the scheduler was fed at the beginning.
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> fed_;
  /// (trial, attempt) told to stop or pause
  std::map<std::pair<std::int64_t, std::int64_t>, Verdict> stopped_;
};

}  // namespace krigon
