#pragma once

#include <cstdint>
#include <unordered_map>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"

namespace krigon {

/// Stops a trial that reports an objective worse than `bound` at or after `min_steps`: one that diverged, or
/// that is hopeless whatever the others do.
class ThresholdScheduler final : public Scheduler {
 public:
  /// `loss`: the bound, as a loss.
  ThresholdScheduler(const EarlyStopping& options, double loss) : options_(options), bound_(loss) {}
  std::string_view name() const override { return "threshold"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t, double) override {}
  Judgement judge(std::int64_t trial) override;

 private:
  struct Last {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    double loss = 0;
  };

  EarlyStopping options_;
  double bound_;
  std::unordered_map<std::int64_t, Last> last_;
};

}  // namespace krigon
