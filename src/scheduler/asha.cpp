#include "scheduler/asha.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

namespace krigon {

AshaScheduler::AshaScheduler(const EarlyStopping& options)
    : options_(options),
      ladder_(static_cast<double>(options.min_steps), options.reduction, options.max_steps),
      brackets_(options),
      rungs_(brackets_.size()) {}

void AshaScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& progress = progress_[trial];
  if (attempt < progress.attempt || !std::isfinite(loss) || step < 1) return;
  const std::size_t bracket = brackets_.of(trial);
  auto& rungs = rungs_[bracket];
  if (attempt > progress.attempt) {
    progress.attempt = attempt;
    progress.step = 0;
    while (!progress.entries.empty() && progress.entries.back().step >= step) {
      rungs[progress.entries.back().rung].erase({progress.entries.back().loss, trial});
      progress.entries.pop_back();
    }
  }
  if (step <= progress.step) return;
  progress.step = step;
  progress.entered = false;
  if (options_.max_steps > 0 && step >= options_.max_steps) return;
  const std::size_t reached = ladder_.reached(step);
  if (reached <= bracket) return;
  const std::size_t rung = reached - 1;
  if (!progress.entries.empty() && progress.entries.back().rung >= rung) return;
  if (rungs.size() <= rung) rungs.resize(rung + 1);
  rungs[rung].insert({loss, trial});
  progress.entries.push_back({rung, step, loss});
  progress.entered = true;
}

// A completed trial needs no word of its own: what it reported stands in the rungs.
void AshaScheduler::observe_completed(std::int64_t, double) {}

// No attempt can follow, so nothing will have to be withdrawn.
void AshaScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  const auto found = progress_.find(trial);
  if (!ended(state) || found == progress_.end() || found->second.entries.size() < 2) return;
  found->second.entries = {found->second.entries.back()};
  found->second.entries.shrink_to_fit();
}

Judgement AshaScheduler::judge(std::int64_t trial) {
  const auto found = progress_.find(trial);
  if (found == progress_.end() || !found->second.entered) return {};
  const auto& progress = found->second;
  const std::size_t bracket = brackets_.of(trial);
  const Entry& own = progress.entries.back();
  const auto& rung = rungs_[bracket][own.rung];
  const std::size_t n = rung.size();
  const std::size_t keep = detail::kept(n, options_.reduction);
  const std::size_t better = detail::better(rung, own.loss);

  Judgement judgement;
  judgement.basis = {{"rule", "asha"},   {"rung", ladder_.step(own.rung)},
                     {"step", own.step}, {"loss", own.loss},
                     {"entries", n},     {"better", better},
                     {"keep", keep}};
  if (brackets_.size() > 1) judgement.basis["bracket"] = bracket;
  if (keep == 0) return judgement;
  judgement.basis["threshold"] = rung.at(keep - 1).first;
  if (better >= keep) {
    judgement.verdict = Verdict::stop;
    const std::string goes_on = keep == 1 ? "only the best goes on" : fmt::format("the best {} go on", keep);
    judgement.reason = fmt::format("rank {} of {} at step {}: {}", better + 1, n, progress.step, goes_on);
  }
  return judgement;
}

}  // namespace krigon
