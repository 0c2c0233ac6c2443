#include "scheduler/asha_promote.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace krigon {

AshaPromoteScheduler::AshaPromoteScheduler(const EarlyStopping& options)
    : options_(options),
      ladder_(static_cast<double>(options.min_steps), options.reduction, options.max_steps),
      brackets_(options),
      landings_(brackets_.size()) {}

detail::Landing& AshaPromoteScheduler::landing(std::int64_t trial, std::size_t rung) {
  auto& landings = landings_[brackets_.of(trial)];
  if (landings.size() <= rung) landings.resize(rung + 1);
  return landings[rung];
}

void AshaPromoteScheduler::forget(std::int64_t trial) {
  if (said_ && said_->trial == trial) said_.reset();
}

void AshaPromoteScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& climber = climbers_[trial];
  const bool waited = climber.waiting;
  const bool climbs = detail::climbs(climber, attempt, step, loss);
  if (waited && !climber.waiting) {
    landing(trial, climber.goal - 1).paused.erase(climber.key(trial));
    forget(trial);
  }
  if (!climbs || (options_.max_steps > 0 && step >= options_.max_steps)) return;
  const std::size_t reached = ladder_.reached(step);
  if (reached <= std::max(climber.goal, brackets_.of(trial))) return;
  climber.goal = reached - 1;
  climber.waiting = true;
  climber.loss = loss;
  landing(trial, climber.goal).entries.insert(climber.key(trial));
}

void AshaPromoteScheduler::observe_completed(std::int64_t, double) {}

void AshaPromoteScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  auto& climber = climbers_[trial];
  if (ended(climber.state)) return;
  climber.state = state;
  if (!climber.waiting) return;
  auto& at = landing(trial, climber.goal);
  if (state == TrialState::paused) {
    at.paused.insert(climber.key(trial));
    return;
  }
  at.paused.erase(climber.key(trial));
  forget(trial);
  // Whoever cannot be taken up any more leaves its seat to the next; one that completed has had it.
  if (!ended(state) || state == TrialState::completed) return;
  at.entries.erase(climber.key(trial));
  climber.waiting = false;
}

Judgement AshaPromoteScheduler::judge(std::int64_t trial) {
  const auto found = climbers_.find(trial);
  if (found == climbers_.end() || !found->second.waiting) return {};
  const auto& climber = found->second;
  if (options_.max_steps > 0 && climber.step >= options_.max_steps) return {};  // it ran on, and is through
  const auto& at = landing(trial, climber.goal);
  const std::size_t n = at.entries.size(), before = detail::better(at.entries, climber.loss);
  const std::int64_t rung = ladder_.step(climber.goal);
  Judgement judgement{Verdict::pause,
                      {{"rule", "asha"},
                       {"rung", rung},
                       {"step", climber.step},
                       {"loss", climber.loss},
                       {"entries", n},
                       {"better", before},
                       {"keep", detail::kept(n, options_.reduction)}},
                      fmt::format("rank {} of {} at step {}: waits for its turn", before + 1, n, rung)};
  if (brackets_.size() > 1) judgement.basis["bracket"] = brackets_.of(trial);
  return judgement;
}

std::optional<Continuation> AshaPromoteScheduler::continuation() {
  if (said_) return said_;
  std::size_t rungs = 0;
  for (const auto& landings : landings_) rungs = std::max(rungs, landings.size());
  for (std::size_t rung = rungs; rung-- > 0 && !said_;) {
    for (std::size_t bracket = 0; bracket < landings_.size() && !said_; ++bracket) {
      if (landings_[bracket].size() <= rung) continue;
      const auto& at = landings_[bracket][rung];
      const std::size_t n = at.entries.size(), keep = detail::kept(n, options_.reduction);
      const auto* best = at.best_of(keep);
      if (best == nullptr) continue;
      said_ = {.trial = best->second,
               .basis = {{"rule", "asha"},
                         {"rung", ladder_.step(rung)},
                         {"loss", best->first},
                         {"entries", n},
                         {"keep", keep}}};
    }
  }
  return said_;
}

}  // namespace krigon
