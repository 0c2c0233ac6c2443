#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/history.hpp"

namespace krigon {

/// stop: the trial ends. pause: its process ends and frees its place; the rule may want it to go on later.
enum class Verdict { go_on, stop, pause };

struct Judgement {
  Verdict verdict = Verdict::go_on;
  nlohmann::json basis;  ///< what it rested on (rung, rank, threshold); null where nothing was compared
  std::string reason;    ///< for a person; empty when go_on
};

/// What a free place should rather be used for than for a new point.
struct Continuation {
  enum class Kind {
    resume,  ///< `trial` is paused and goes on
    clone,   ///< a new trial begins with a copy of the checkpoint of `trial` and its parameters, perturbed
  };
  Kind kind = Kind::resume;
  std::int64_t trial = 0;
  std::int64_t replaces = -1;  ///< clone: the trial that was stopped for it
  double resample = 0;         ///< clone: chance that a parameter is drawn anew, not perturbed
  nlohmann::json basis;
};

/// Decides from reports whether a trial goes on. Contract (tests/conformance/scheduler):
/// - observe() is fed every report of the objective once, in the order in which they were written,
///   when resumed from the store as when live; judge() then answers for that trial. Reports that
///   come late, in bursts (skipping steps) or never do no harm. Whoever comes to a study of very many
///   trials is fed the newest (History::Window) and those that have not ended.
/// - A new attempt withdraws what earlier ones reported from its own first step on: one that began anew
///   withdraws all, one that went on from a checkpoint leaves what stands below.
/// - observe_state() is fed the states that trials are in, in any grain: one that was left again before
///   anyone looked may be skipped.
/// - Works alike for minimize and maximize.
/// - Never stops a trial before `min_steps`, nor one that reached max_steps.
/// Not thread-safe: called under the study manager's lock.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual std::string_view name() const = 0;
  /// Whether it wants to be fed: reading all that a study of millions ever reported takes its time.
  virtual bool listens() const { return true; }
  /// What the trial is trained with, in any grain, before judge() is asked about it and before
  /// observe_completed().
  virtual void observe_parameters(std::int64_t /*trial*/, const Parameters& /*parameters*/) {}
  /// The newest attempt's report; those of older attempts are no longer heard.
  virtual void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) = 0;
  /// The trial completed with this loss (for rules that compare with finished trials).
  virtual void observe_completed(std::int64_t trial, double loss) = 0;
  /// The trial stands there now (for rules that wait for others). `parent`: the trial that it began as a
  /// clone of, -1 for none; `replaces` likewise.
  virtual void observe_state(std::int64_t /*trial*/, TrialState /*state*/, std::int64_t /*parent*/,
                             std::int64_t /*replaces*/) {}
  /// Whether `trial` should go on, from what was observed. Called after each observe() of it.
  virtual Judgement judge(std::int64_t trial) = 0;
  /// Asked before a new point is proposed for a free place. Says the same again until observe_state() shows
  /// that it was followed, or that it no longer can be.
  virtual std::optional<Continuation> continuation() { return std::nullopt; }
  /// Whether a new point may begin now, as trial `number`: populations have a size.
  virtual bool takes_new(std::int64_t /*number*/) const { return true; }
};

}  // namespace krigon
