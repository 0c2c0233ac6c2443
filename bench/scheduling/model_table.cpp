#include "model_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "rules.hpp"
#include "study.hpp"

namespace krigon::bench {
namespace {

constexpr const char* kSampler = "auto";
constexpr double kMostOfRandom = 0.4;
/// Those that bars are for: the rule for curves of which the beginning tells the end, and the one for others.
constexpr std::array kBarred{"asha, min 9", "curve, min 9"};
constexpr double kBar = 5;

struct Run {
  std::size_t row = 0;
  std::uint64_t seed = 0;
  Result result = {};
};

struct Row {
  const RandomPoints* random = nullptr;
  Rule rule;
  double target = 0;
  std::int64_t budget = 0;
  Spent spent = {};
};

std::vector<Row> rows_of(const std::vector<RandomPoints>& random) {
  std::vector<Row> rows;
  for (const auto& each : random) {
    const double target = quantile(each.problem, 1 / each.one_in);
    const auto budget = static_cast<std::int64_t>(kMostOfRandom * each.one_in) * kMaxSteps;
    for (auto& rule : rules()) {
      if (rule.with_model) rows.push_back({&each, rule, target, budget});
    }
  }
  return rows;
}

Spent medians_of(const std::vector<Run>& runs, std::size_t row) {
  std::vector<double> steps, time, trials, busy;
  double missed = 0;
  for (const auto& run : runs) {
    if (run.row != row) continue;
    const Result& r = run.result;
    missed += r.reached ? 0 : 1;
    steps.push_back(r.reached ? static_cast<double>(r.steps) : INFINITY);
    time.push_back(r.reached ? r.time : INFINITY);
    trials.push_back(static_cast<double>(r.trials));
    busy.push_back(r.busy);
  }
  missed /= static_cast<double>(steps.size());
  return {median(steps), median(time), median(trials), median(busy), missed};
}

/// "7.3x", or where one of the two is not known what is.
std::string ratio(double none, double steps) {
  if (std::isinf(steps) || std::isinf(none)) return "-";
  return fmt::format("{:.1f}x", none / steps);
}

/// That every problem has a pair with which the bar is reached; and what one pair reaches on all of them.
std::vector<Bar> bars_of(const std::map<std::string, std::map<Problem, double>>& saved) {
  std::vector<Bar> bars;
  std::map<Problem, std::pair<double, std::string>> best;
  for (const auto& [pair, by_problem] : saved) {
    for (const auto& [problem, times] : by_problem) {
      best[problem] = std::max(best[problem], std::pair(times, pair));
    }
  }
  for (const auto& [problem, found] : best) {
    const auto& [times, pair] = found;
    bars.push_back({fmt::format("{}: {} times less compute than none with random points: {}: {:.1f}x",
                                name_of(problem), kBar, pair, times),
                    times >= kBar});
  }
  for (const auto& [pair, by_problem] : saved) {
    const auto least = std::min_element(by_problem.begin(), by_problem.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    bars.push_back({fmt::format("{} on every problem: at the least {:.1f}x, {}", pair, least->second,
                                name_of(least->first)),
                    least->second >= kBar});
  }
  fmt::print("\n");
  return bars;
}

}  // namespace

std::vector<Bar> model_table(const std::vector<RandomPoints>& random, bool quick) {
  const std::uint64_t seeds = quick ? 1 : 21;
  const std::int64_t most_trials = quick ? 150 : 300;
  std::vector<Row> rows = rows_of(random);
  std::vector<Run> runs;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) runs.push_back({row, seed});
  }
  all_at_once(runs, [&](Run& run) {
    const Row& row = rows[run.row];
    Setting s{row.random->problem, [&row] { return make_rule(row.rule.options, row.random->problem); },
              row.random->workers, run.seed,
              row.target,          row.budget};
    s.most_trials = most_trials;
    run.result = simulate_study(s);
  });

  fmt::print(
      "Points of the sampler {}, the same targets; medians over {} seeds, given up after {} trials or {} "
      "times the steps\nof as many whole trials as random points should take\n",
      kSampler, seeds, most_trials, kMostOfRandom);
  fmt::print("{:13} {:>7} {:12} {:>9} {:>8} {:>7} {:>12} {:>12} {:>12}\n", "problem", "workers", "rule",
             "steps", "trials", "missed", "random+none", "same+none", "random+asha");
  // How many times a pair's steps none with random points takes, on each problem.
  std::map<std::string, std::map<Problem, double>> saved;
  double same = INFINITY;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    const auto& [points, rule, target, budget, unused] = rows[at];
    const Spent spent = medians_of(runs, at);
    if (rule.label == "none") same = spent.steps;
    const bool reached = !std::isinf(spent.steps);
    fmt::print("{:13} {:7} {:12} {:>9} {:8.0f} {:6.0f}% {:>12} {:>12} {:>12}\n", name_of(points->problem),
               points->workers, rule.label, reached ? fmt::format("{:.0f}", spent.steps) : "given up",
               spent.trials, 100 * spent.missed, ratio(points->none.steps, spent.steps),
               ratio(same, spent.steps), ratio(points->asha.steps, spent.steps));
    if (std::find(kBarred.begin(), kBarred.end(), rule.label) != kBarred.end()) {
      saved[fmt::format("{} + {}", kSampler, rule.label)][points->problem] = points->none.steps / spent.steps;
    }
    saved["random + asha"][points->problem] = points->none.steps / points->asha.steps;
  }
  return bars_of(saved);
}

}  // namespace krigon::bench
