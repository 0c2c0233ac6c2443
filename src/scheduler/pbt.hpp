#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/rungs.hpp"

namespace krigon {

/// Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks",
/// algorithm 1, with truncation selection): `population` trials are trained at a time. With its first report
/// in each stretch of `interval` steps a trial is compared with what the others reported in the same stretch;
/// one of the worst `quantile` is stopped, and a clone of one of the best `quantile` takes its place, with a
/// copy of that one's checkpoint and its parameters perturbed (core/perturb.hpp).
///
/// Others are those that are still trained, and those that completed; the last 64 stretches of each are kept,
/// so that a clone that begins at its parent's step is compared at once, and one that has to begin anew when
/// it has come as far. Only who is still trained is cloned: where fewer trials run at a time than the
/// population has, there may be nobody, and then nobody is stopped.
///
/// A trial that failed or was taken away makes room for a new one.
class PbtScheduler final : public Scheduler {
 public:
  explicit PbtScheduler(const EarlyStopping& options) : options_(options) {}
  std::string_view name() const override { return "pbt"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t, double) override {}
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;
  std::optional<Continuation> continuation() override;
  bool takes_new(std::int64_t number) const override;

 private:
  struct Entry {
    std::int64_t stretch = 0;
    std::int64_t step = 0;
    double loss = 0;
  };
  struct Member {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::int64_t stretch = 0;   ///< of the last report
    std::deque<Entry> entries;  ///< rising
    bool entered = false;       ///< by the last report
    bool replaced = false;
    TrialState state = TrialState::queued;
  };
  void withdraw(std::int64_t trial, const Entry& entry);
  /// Of the best of a stretch, those that can be cloned for `trial`.
  std::vector<std::int64_t> donors(std::int64_t stretch, std::int64_t trial) const;

  EarlyStopping options_;
  std::unordered_map<std::int64_t, Member> members_;
  std::unordered_map<std::int64_t, detail::Rung> stretches_;
  std::unordered_map<std::int64_t, std::int64_t> waiting_;  ///< who is to be replaced, and its stretch
  std::set<std::int64_t> order_;                            ///< the same, by number
  std::int64_t lost_ = 0;                                   ///< trials that ended without completing
  std::optional<Continuation> said_;
};

}  // namespace krigon
