#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krigon/error.hpp"
#include "krigon/space.hpp"
#include "krigon/value.hpp"

#pragma GCC visibility push(default)

namespace krigon {

enum class Direction { minimize, maximize };

struct Objective {
  std::string metric = "value";
  Direction direction = Direction::minimize;
};

enum class TrialState { queued, running, paused, completed, stopped, failed, cancelled };

/// A trial as it stands in the store. A copy: later changes do not show in it.
struct TrialView {
  std::int64_t number = 0;  ///< dense from 0, never reused
  TrialState state = TrialState::queued;
  Parameters parameters;
  Metrics metrics;        ///< final metrics of a completed trial; last ones of a stopped trial
  std::int64_t step = 0;  ///< last step reported by the newest attempt, 0 before the first
  std::string reason;     ///< why it failed, was stopped or cancelled; empty otherwise
};

/// How trials are stopped early. Options that a type does not name have no effect with it.
struct EarlyStopping {
  /// none, asha, envelope, hyperband, bohb, median, percentile, patience, threshold, wilcoxon, curve or pbt
  std::string type = "none";
  std::int64_t min_steps = 1;  ///< no trial is stopped or paused before this step
  std::int64_t max_steps = 0;  ///< the step at which a trial is complete; 0: not known
  double reduction = 3;        ///< asha, hyperband, bohb: one in `reduction` goes on from each rung
  std::int64_t startup = 5;    ///< envelope, median, percentile, curve: trials to complete before any stops
  std::int64_t brackets = 1;   ///< asha: ladders of rungs; the s-th begins at min_steps * reduction^s
  bool promote = false;        ///< asha: trials pause at each rung, and the best are taken up again
  double percentile = 25;      ///< percentile: this best share of the trials goes on, in percent
  std::int64_t patience = 10;  ///< patience: steps without improvement after which a trial is stopped
  double delta = 0;            ///< patience: what is no more than this is no improvement
  std::optional<double> bound = {};  ///< threshold: an objective that is worse stops the trial
  double p_value = 0.1;              ///< wilcoxon: significance of being worse than the best trial
  double probability = 0.05;         ///< curve: stopped when beating the best is less probable
  std::int64_t population = 20;      ///< pbt: trials that are trained at a time
  std::int64_t interval = 0;         ///< pbt: steps between two comparisons, at least 1
  double quantile = 0.25;            ///< pbt: the worst share, replaced by clones of the best share
  double resample = 0.25;            ///< pbt: chance that a clone's parameter is drawn anew
};

struct StudyOptions {
  std::string name = "study";
  Objective objective;
  /// "memory:", "sqlite:///absolute/path" or a file's path (made when absent).
  std::string storage = "memory:";
  /// "auto", "gp", "random", "sobol" or "grid".
  std::string sampler = "auto";
  EarlyStopping early_stopping = {};
  std::uint64_t seed = 0;
  /// What computes proposals: "auto", "cpu", "cuda" or "cuda:N". A GPU that cannot be used is an
  /// EnvironmentError.
  std::string device = "auto";
};

struct OptimizeOptions {
  std::int64_t trials = 100;  ///< trials to end, over all calls on this study
  int parallel = 1;           ///< threads that call the objective
  std::optional<double> seconds = {};
};

class Study;

/// What an objective function is handed: its parameters, and the way to report progress.
class Trial {
 public:
  std::int64_t number() const;
  const Parameters& parameters() const;
  double real(std::string_view name) const;           ///< throws UsageError: absent or not a number
  std::int64_t integer(std::string_view name) const;  ///< throws UsageError: absent or not an integer
  std::string text(std::string_view name) const;      ///< any value as text; throws UsageError: absent
  bool has(std::string_view name) const;              ///< false for an inactive parameter
  std::uint64_t seed() const;                         ///< for the objective's own random numbers

  /// Records the objective at `step` (completed units, from 1, rising) and says whether to go on:
  /// true means that the trial should return now. Non-finite values throw UsageError.
  bool report(std::int64_t step, double value);
  bool report(std::int64_t step, const Metrics& metrics);
  bool should_stop() const;

 private:
  friend class Study;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// A study: proposes points, is told results, keeps them. Safe to use from several threads.
///
///   krigon::Study study{space, {.name = "mine", .storage = "mine.db", .seed = 7}};
///   study.optimize([](krigon::Trial& t) { return std::pow(t.real("x") - 2, 2); }, {.trials = 50});
///   std::cout << krigon::to_string(study.best()->parameters.at("x"));
class Study {
 public:
  /// Opens the study of that name in the store, or creates it. Throws UsageError when one exists
  /// there with another space or objective, StorageError when the store cannot be used.
  Study(Space space, StudyOptions options);
  ~Study();
  Study(Study&&) noexcept;
  Study& operator=(Study&&) noexcept;

  /// A new trial, running until it is told. With a `key`, the same key gives the same trial again.
  Trial ask(const std::string& key = "");
  /// The final value. An equal second tell is a no-op, a different one throws ConflictError.
  void tell(std::int64_t trial, double value);
  void tell(std::int64_t trial, const Metrics& metrics);
  /// The trial ended because report() said so; its last report is kept as what it reached.
  void tell_stopped(std::int64_t trial);
  /// The trial gave no value. The sampler learns to avoid the place; never a number.
  void tell_failed(std::int64_t trial, const std::string& reason);
  /// As Trial::report, by number.
  bool report(std::int64_t trial, std::int64_t step, const Metrics& metrics);
  /// Puts a point of the user's own at the head of the queue. Returns its trial number.
  std::int64_t enqueue(const Parameters& parameters);

  /// Runs `objective` until the study has ended options.trials trials or time is up. An exception
  /// of the objective fails that trial and the study goes on. The objective is called from
  /// options.parallel threads at once. Returns the number of trials ended by this call.
  std::int64_t optimize(const std::function<double(Trial&)>& objective, const OptimizeOptions& options = {});

  /// The completed trial with the best objective, the earliest among equals; nullopt before one.
  std::optional<TrialView> best() const;
  std::vector<TrialView> trials() const;
  const Space& space() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The library's version, "0.1.0".
const char* version();

}  // namespace krigon

#pragma GCC visibility pop
