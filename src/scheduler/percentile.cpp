#include "scheduler/percentile.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace krigon {

PercentileScheduler::PercentileScheduler(const EarlyStopping& options, double percent, std::string name)
    : options_(options), share_(percent / 100), name_(std::move(name)) {}

void PercentileScheduler::enter(Progress& progress, std::int64_t milestone, std::int64_t step) {
  averages_[milestone].insert(progress.sofar.average);
  progress.entries.push_back({milestone, step, progress.sofar});
}

void PercentileScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& progress = progress_[trial];
  if (attempt < progress.attempt || !std::isfinite(loss) || step < 1) return;
  auto& entries = progress.entries;
  if (attempt > progress.attempt) {
    progress.attempt = attempt;
    while (!entries.empty() && entries.back().step >= step) {
      averages_[entries.back().milestone].erase(entries.back().sofar.average);
      entries.pop_back();
    }
    progress.step = entries.empty() ? 0 : entries.back().step;
    progress.sofar = entries.empty() ? Sofar{} : entries.back().sofar;
  }
  if (step <= progress.step) return;
  progress.step = step;
  progress.entered = false;

  const std::int64_t milestone = Marks::at(step);
  const bool first = progress.sofar.reports == 0;
  if (!first) {
    const std::int64_t last = entries.back().milestone;
    // By differences: the next milestone after the last one below 2^63 cannot be written.
    for (auto skipped = last; Marks::spacing(skipped) < milestone - skipped;) {
      skipped += Marks::spacing(skipped);
      enter(progress, skipped, step);
    }
  }
  auto& [reports, average, best] = progress.sofar;
  ++reports;
  // Divided before it is added, so that values near the largest double do not overflow.
  average += loss / static_cast<double>(reports) - average / static_cast<double>(reports);
  best = first ? loss : std::min(best, loss);
  if (first || entries.back().milestone < milestone) {
    enter(progress, milestone, step);
    progress.entered = true;
  }
}

void PercentileScheduler::observe_completed(std::int64_t trial, double) {
  completed_.insert(trial);
}

// No attempt can follow, so nothing will have to be withdrawn.
void PercentileScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  const auto found = progress_.find(trial);
  if (!ended(state) || found == progress_.end() || found->second.entries.size() < 2) return;
  found->second.entries = {found->second.entries.back()};
  found->second.entries.shrink_to_fit();
}

Judgement PercentileScheduler::judge(std::int64_t trial) {
  const auto found = progress_.find(trial);
  if (found == progress_.end() || !found->second.entered) return {};
  const auto& progress = found->second;
  if (progress.step < options_.min_steps) return {};
  if (options_.max_steps > 0 && progress.step >= options_.max_steps) return {};
  const auto needed = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.startup));
  const Entry& own = progress.entries.back();
  const auto& averages = averages_[own.milestone];
  const std::size_t others = averages.size() - 1;
  if (static_cast<std::int64_t>(completed_.size()) < options_.startup || others < needed) return {};

  // The order statistics of the others: the trial's own entry is skipped by shifting the ranks above it.
  const std::size_t own_rank = averages.below(own.sofar.average);
  const auto other = [&](std::size_t rank) { return averages.at(rank < own_rank ? rank : rank + 1); };
  const double place = share_ * static_cast<double>(others - 1);
  const auto below = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(below);
  const double threshold = part > 0 ? other(below) * (1 - part) + other(below + 1) * part : other(below);
  Judgement judgement;
  judgement.basis = {{"rule", name_},
                     {"step", progress.step},
                     {"best", progress.sofar.best},
                     {name_, threshold},
                     {"others", others}};
  if (progress.sofar.best > threshold) {
    judgement.verdict = Verdict::stop;
    judgement.reason =
        fmt::format("at step {} its best is worse than the {} of {} others", progress.step,
                    share_ == 0.5 ? std::string("median") : fmt::format("best {:g} %", share_ * 100), others);
  }
  return judgement;
}

}  // namespace krigon
