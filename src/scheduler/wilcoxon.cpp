#include "scheduler/wilcoxon.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace krigon {
namespace {

constexpr std::size_t kMostFolds = 1024;
constexpr std::size_t kMostExact = 25;

/// The number of subsets of {1 ... n} whose sum is at least w, over 2^n. Counts up to 2^25 are exact.
double exact_tail(std::size_t n, std::size_t w) {
  const std::size_t most = n * (n + 1) / 2;
  std::vector<double> ways(most + 1);
  ways[0] = 1;
  for (std::size_t rank = 1; rank <= n; ++rank) {
    for (std::size_t sum = most; sum >= rank; --sum) ways[sum] += ways[sum - rank];
  }
  double tail = 0;
  for (std::size_t sum = w; sum <= most; ++sum) tail += ways[sum];
  return std::ldexp(tail, -static_cast<int>(n));
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return *std::max_element(values.begin(), middle) / 2 + *middle / 2;
}

}  // namespace

namespace detail {

double signed_rank_p(std::span<const double> differences) {
  std::vector<double> d;
  for (const double difference : differences) {
    if (difference != 0) d.push_back(difference);
  }
  if (d.empty()) return 1;
  std::sort(d.begin(), d.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  const auto n = static_cast<double>(d.size());
  double plus = 0, ties = 0;
  for (std::size_t i = 0; i < d.size();) {
    std::size_t end = i;
    while (end < d.size() && std::abs(d[end]) == std::abs(d[i])) ++end;
    const double rank = static_cast<double>(i + 1 + end) / 2;  // the mean of i+1 ... end
    const auto same = static_cast<double>(end - i);
    ties += same * same * same - same;
    for (; i < end; ++i) plus += d[i] > 0 ? rank : 0;
  }
  if (ties == 0 && d.size() <= kMostExact) return exact_tail(d.size(), static_cast<std::size_t>(plus));
  const double mean = n * (n + 1) / 4;
  const double variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48;
  return 0.5 * std::erfc((plus - mean - 0.5) / std::sqrt(2 * variance));
}

}  // namespace detail

void WilcoxonScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& own = trials_[trial];
  if (attempt < own.attempt || !std::isfinite(loss) || step < 1) return;
  if (attempt > own.attempt) {
    own.attempt = attempt;
    own.step = 0;
    while (!own.folds.empty() && own.folds.back().step >= step) own.folds.pop_back();
  }
  if (step <= own.step) return;
  own.step = step;
  if (own.folds.size() < kMostFolds) own.folds.push_back({step, loss});
}

void WilcoxonScheduler::observe_completed(std::int64_t trial, double loss) {
  if (!std::isfinite(loss)) return;
  // Of equals the earlier trial, whichever word comes first.
  const bool best = best_trial_ < 0 || loss < best_loss_ || (loss == best_loss_ && trial < best_trial_);
  const std::int64_t beaten = best ? best_trial_ : trial;
  if (best) {
    best_trial_ = trial;
    best_loss_ = loss;
  }
  if (beaten != best_trial_) trials_.erase(beaten);
}

void WilcoxonScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  // A completed one is dealt with when its loss is known.
  if (ended(state) && state != TrialState::completed) trials_.erase(trial);
}

Judgement WilcoxonScheduler::judge(std::int64_t trial) {
  const auto found = trials_.find(trial);
  const auto best = trials_.find(best_trial_);
  if (found == trials_.end() || best == trials_.end() || trial == best_trial_) return {};
  const auto& [attempt, step, folds] = found->second;
  if (folds.empty() || folds.back().step != step) return {};
  if (step < options_.min_steps || (options_.max_steps > 0 && step >= options_.max_steps)) return {};
  std::vector<double> differences;
  auto other = best->second.folds.begin();
  for (const Fold& fold : folds) {
    while (other != best->second.folds.end() && other->step < fold.step) ++other;
    if (other == best->second.folds.end()) break;
    if (other->step != fold.step) continue;
    const double difference = fold.loss - other->loss;
    if (std::isfinite(difference)) differences.push_back(difference);
  }
  if (differences.empty()) return {};
  const double p = detail::signed_rank_p(differences);
  const double median = median_of(differences);
  Judgement judgement;
  judgement.basis = {
      {"rule", "wilcoxon"},          {"step", step},       {"p", p}, {"median_difference", median},
      {"folds", differences.size()}, {"best", best_trial_}};
  if (p < options_.p_value && median > 0) {
    judgement.verdict = Verdict::stop;
    judgement.reason = fmt::format("after {} common steps it is worse than trial {} (p = {:.2g})",
                                   differences.size(), best_trial_, p);
  }
  return judgement;
}

}  // namespace krigon
