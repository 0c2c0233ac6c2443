#include "scheduler/median.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

namespace krigon {
namespace {

constexpr int kKeptBits = 6;  // leading bits of a step that tell milestones apart: 32 for each doubling

std::int64_t spacing(std::int64_t step) {
  const auto width = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(step)));
  return std::int64_t{1} << std::max(0, width - kKeptBits);
}

/// The milestone at or below a step.
std::int64_t milestone_at(std::int64_t step) {
  return step / spacing(step) * spacing(step);
}

}  // namespace

MedianScheduler::MedianScheduler(const EarlyStopping& options) : options_(options) {}

void MedianScheduler::enter(Progress& progress, std::int64_t milestone) {
  averages_[milestone].insert(progress.average);
  progress.entries.emplace_back(milestone, progress.average);
}

void MedianScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& progress = progress_[trial];
  if (attempt < progress.attempt || !std::isfinite(loss)) return;
  if (attempt > progress.attempt) {
    for (const auto& [milestone, average] : progress.entries) averages_[milestone].erase(average);
    progress = {};
    progress.attempt = attempt;
  }
  if (step <= progress.step) return;
  progress.step = step;
  progress.entered = false;

  const std::int64_t milestone = milestone_at(step);
  const bool first = progress.reports == 0;
  if (!first) {
    const std::int64_t last = progress.entries.back().first;
    // By differences: the next milestone after the last one below 2^63 cannot be written.
    for (auto skipped = last; spacing(skipped) < milestone - skipped;) {
      skipped += spacing(skipped);
      enter(progress, skipped);
    }
  }
  ++progress.reports;
  // Divided before it is added, so that values near the largest double do not overflow.
  progress.average +=
      loss / static_cast<double>(progress.reports) - progress.average / static_cast<double>(progress.reports);
  progress.best = first ? loss : std::min(progress.best, loss);
  if (first || progress.entries.back().first < milestone) {
    enter(progress, milestone);
    progress.entered = true;
  }
}

void MedianScheduler::observe_completed(std::int64_t trial, double) {
  completed_.insert(trial);
}

Judgement MedianScheduler::judge(std::int64_t trial) {
  const auto found = progress_.find(trial);
  if (found == progress_.end() || !found->second.entered) return {};
  const auto& progress = found->second;
  if (progress.step < options_.min_steps) return {};
  if (options_.max_steps > 0 && progress.step >= options_.max_steps) return {};
  const auto needed = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.startup));
  const auto [milestone, own] = progress.entries.back();
  const auto& averages = averages_[milestone];
  const std::size_t others = averages.size() - 1;
  if (static_cast<std::int64_t>(completed_.size()) < options_.startup || others < needed) return {};

  // The order statistics of the others: the trial's own entry is skipped by shifting the ranks above it.
  const std::size_t own_rank = averages.below(own);
  const auto other = [&](std::size_t rank) { return averages.at(rank < own_rank ? rank : rank + 1); };
  const double median =
      others % 2 == 1 ? other(others / 2) : other(others / 2 - 1) / 2 + other(others / 2) / 2;
  Judgement judgement;
  judgement.basis = {{"rule", "median"},
                     {"step", progress.step},
                     {"best", progress.best},
                     {"median", median},
                     {"others", others}};
  if (progress.best > median) {
    judgement.verdict = Verdict::stop;
    judgement.reason =
        fmt::format("at step {} its best is worse than the median of {} others", progress.step, others);
  }
  return judgement;
}

}  // namespace krigon
