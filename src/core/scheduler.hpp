#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/history.hpp"

namespace krigon {

enum class Verdict { go_on, stop };

struct Judgement {
  Verdict verdict = Verdict::go_on;
  nlohmann::json basis;  ///< what it rested on (rung, rank, threshold); null where nothing was compared
  std::string reason;    ///< for a person; empty when go_on
};

/// Decides from reports whether a trial goes on. Contract (tests/conformance/scheduler):
/// - observe() is fed every report of the objective once, in the order in which they were written,
///   when resumed from the store as when live; judge() then answers for that trial. Reports that
///   come late, in bursts (skipping steps) or never do no harm.
/// - Works alike for minimize and maximize.
/// - Never stops a trial before `min_steps`, nor one that reached max_steps.
/// Not thread-safe: called under the study manager's lock.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual std::string_view name() const = 0;
  /// The newest attempt's report; a higher attempt number than before withdraws the earlier ones.
  virtual void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) = 0;
  /// The trial completed with this loss (for rules that compare with finished trials).
  virtual void observe_completed(std::int64_t trial, double loss) = 0;
  /// Whether `trial` should go on, from what was observed. Called after each observe() of it.
  virtual Judgement judge(std::int64_t trial) = 0;
};

}  // namespace krigon
