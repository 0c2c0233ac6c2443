#include "scheduler/asha.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

namespace krigon {

AshaScheduler::AshaScheduler(const EarlyStopping& options)
    : options_(options), next_rung_(static_cast<double>(options.min_steps)) {}

std::int64_t AshaScheduler::rung_at(std::int64_t step) {
  if (options_.max_steps > 0 && step >= options_.max_steps) return -1;
  while (next_rung_ < static_cast<double>(step) + 1) {
    const auto at = std::llround(next_rung_);
    // A reduction near 1 rounds neighbours to the same step: that is one rung.
    if (rung_steps_.empty() || at > rung_steps_.back()) rung_steps_.push_back(at);
    next_rung_ *= options_.reduction;
  }
  const auto above = std::upper_bound(rung_steps_.begin(), rung_steps_.end(), step);
  return above - rung_steps_.begin() - 1;
}

void AshaScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& progress = progress_[trial];
  if (attempt < progress.attempt || !std::isfinite(loss)) return;
  if (attempt > progress.attempt) {
    for (const auto& [rung, entered] : progress.entries) rungs_[rung].erase(entered);
    progress = {attempt, 0, {}, false};
  }
  if (step <= progress.step) return;
  progress.step = step;
  progress.entered = false;
  const std::int64_t rung = rung_at(step);
  if (rung < 0) return;
  const auto index = static_cast<std::size_t>(rung);
  if (!progress.entries.empty() && progress.entries.back().first == index) return;
  if (rungs_.size() <= index) rungs_.resize(index + 1);
  rungs_[index].insert(loss);
  progress.entries.emplace_back(index, loss);
  progress.entered = true;
}

// A completed trial needs no word of its own: what it reported stands in the rungs.
void AshaScheduler::observe_completed(std::int64_t, double) {}

Judgement AshaScheduler::judge(std::int64_t trial) {
  const auto found = progress_.find(trial);
  if (found == progress_.end() || !found->second.entered) return {};
  const auto& progress = found->second;
  const auto [rung, loss] = progress.entries.back();
  const auto& entries = rungs_[rung];
  const std::size_t n = entries.size();
  const auto keep = static_cast<std::size_t>(static_cast<double>(n) / options_.reduction);
  const std::size_t better = entries.below(loss);

  Judgement judgement;
  judgement.basis = {{"rule", "asha"}, {"rung", rung_steps_[rung]}, {"step", progress.step}, {"loss", loss},
                     {"entries", n},   {"better", better},          {"keep", keep}};
  if (keep == 0) return judgement;
  judgement.basis["threshold"] = entries.at(keep - 1);
  if (better >= keep) {
    judgement.verdict = Verdict::stop;
    const std::string goes_on = keep == 1 ? "only the best goes on" : fmt::format("the best {} go on", keep);
    judgement.reason = fmt::format("rank {} of {} at step {}: {}", better + 1, n, progress.step, goes_on);
  }
  return judgement;
}

}  // namespace krigon
