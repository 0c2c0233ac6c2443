#pragma once

#include <cstdint>
#include <unordered_map>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/milestones.hpp"

namespace krigon {

/// Stops a trial whose own curve has come to an end: `patience` steps since its loss was last more than
/// `delta` below the best before ("early stopping" as of Prechelt 1998, "Early Stopping - But When?", with
/// steps in place of strips). Compares with no other trial. The first report is the first best.
class PatienceScheduler final : public Scheduler {
 public:
  explicit PatienceScheduler(const EarlyStopping& options) : options_(options) {}
  std::string_view name() const override { return "patience"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t, double) override {}
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  struct Best {
    double loss = 0;
    std::int64_t step = 0;  ///< 0 before the first report
  };

  EarlyStopping options_;
  std::unordered_map<std::int64_t, detail::Rewindable<Best>> curves_;
};

}  // namespace krigon
