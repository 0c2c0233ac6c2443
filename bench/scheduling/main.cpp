// What early stopping saves: learning curves on a virtual clock, through the schedulers as they are in
// production, with 1, 5, 25 and 10,000 workers and random points; and with 5 and 25 together with a sampler
// that learns, as people run them (model_table.hpp).
//
//   krigon-bench-scheduling [--quick]
//
// Quality is the loss, without noise, of the best completed trial; the target is what one of so many random
// points reaches at its end. Problems and formulas, and the real trainings that are replayed: problems.hpp.
// What could be saved at most, by one who knew the problem: thresholds.hpp.
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "medians.hpp"
#include "model_table.hpp"
#include "problems.hpp"
#include "rules.hpp"
#include "simulation.hpp"
#include "thresholds.hpp"

namespace {

using namespace krigon;
using namespace krigon::bench;

/// With so many workers a study would want one of so many random points.
struct Scale {
  std::size_t workers = 1;
  double one_in = 100;
  std::vector<Problem> problems;
};

/// A record has too few configurations for one of 1,000 to be more than one or two of them; and with 25
/// workers no rule at all could save much on one of 200, which no stopping finds in six times a trial's
/// length.
const std::vector<Scale>& scales() {
  const std::vector made{Problem::smooth, Problem::crossing, Problem::hard};
  static const std::vector<Scale> all{
      {1, 100, made},
      {5, 200, {Problem::network_error, Problem::network_loss, Problem::boosting, Problem::logistic}},
      {25, 1000, made},
      {10'000, 20'000, made}};
  return all;
}

/// Whoever has not reached the target with so many times the steps that one in so many should take is given
/// up.
constexpr double kMostTimes = 2;

class Bench {
 public:
  explicit Bench(bool quick) : quick_(quick) {}

  int run() {
    for (const auto& scale : scales()) {
      if (!quick_ || scale.workers <= 25) table(scale);
    }
    for (const auto& [what, reached] : model_table(random_, quick_)) bar(what, reached);
    scaling();
    crossing();
    fmt::print("\n{}", bars_);
    return 0;
  }

 private:
  static Setting setting(Problem problem, const EarlyStopping& options, std::size_t workers,
                         std::uint64_t seed) {
    return {problem, [options, problem] { return make_rule(options, problem); }, workers, seed, 0, 0};
  }

  void bar(const std::string& what, bool reached) {
    bars_ += fmt::format("{:102} {}\n", what, reached ? "reached" : "NOT REACHED");
  }

  void table(const Scale& scale) {
    const auto& [workers, one_in, problems] = scale;
    // Waiting for luck has a deviation as large as its mean: what bars rest on takes many seeds.
    const auto seeds_of = [&, few = quick_ || scale.workers > 25](const Rule& rule) {
      const bool barred = rule.label == "none" || rule.label == kBound || rule.label == "envelope" ||
                          rule.label.starts_with("asha");
      return few ? 1 : barred ? 101 : 11;
    };
    // Ratios are to the medians of none over its own seeds, so that those of rules with few are rough.
    fmt::print("{} workers, until one of {} random points is matched; medians over seeds\n", workers, one_in);
    fmt::print("{:13} {:17} {:>6} {:>10} {:>7} {:>9} {:>7} {:>8} {:>6} {:>7}\n", "problem", "rule", "seeds",
               "steps", "saved", "time", "faster", "trials", "busy", "missed");
    const double most = kMostTimes * one_in * static_cast<double>(kMaxSteps);
    struct Row {
      Problem problem;
      Rule rule;
      Spent spent = {};
    };
    std::vector<Row> rows;
    for (const Problem problem : problems) {
      for (const auto& rule : rules()) {
        if (workers >= rule.least_workers && workers <= rule.most_workers) rows.push_back({problem, rule});
      }
    }
    all_at_once(rows,
                [&](Row& row) { row.spent = spent_on(row.problem, row.rule, scale, seeds_of(row.rule)); });
    Spent none;
    double at_most = 1;
    for (const auto& [problem, rule, spent] : rows) {
      if (rule.label == "none") none = spent;
      // Where no stopping was given up, it would have taken more than that.
      const bool bound = std::isinf(none.steps);
      const double saved = bound ? most / spent.steps : none.steps / spent.steps;
      const double faster = bound ? most / static_cast<double>(workers) / spent.time : none.time / spent.time;
      if (std::isinf(spent.steps)) {
        fmt::print("{:13} {:17} {:6} not reached with {:.0f} steps\n", name_of(problem), rule.label,
                   seeds_of(rule), most);
      } else {
        fmt::print("{:13} {:17} {:6} {:10.0f} {}{:5.1f}x {:9.0f} {}{:5.1f}x {:8.0f} {:5.0f}% {:6.0f}%\n",
                   name_of(problem), rule.label, seeds_of(rule), spent.steps, bound ? ">" : " ", saved,
                   spent.time, bound ? ">" : " ", faster, spent.trials, 100 * spent.busy, 100 * spent.missed);
      }
      if (rule.label == kBound) at_most = saved;
      if (workers == 5 || workers == 25) {
        if (rule.label == "none") random_.push_back({problem, workers, one_in, spent, {}});
        if (rule.label == "asha") random_.back().asha = spent;
      }
      if ((rule.label == "asha" || rule.label == "envelope") && (workers == 5 || workers == 25)) {
        // What a rule brings alone: there is a bar for what it brings to those who use it (model_table.hpp).
        const bool reached = !std::isinf(spent.steps);
        bars_ += fmt::format(
            "{:102} for comparison\n",
            fmt::format("{} alone: less compute than none, {}, {} workers: {}, best thresholds {:.1f}x",
                        rule.label, name_of(problem), workers,
                        reached ? fmt::format("{:.1f}x", saved) : "target not reached", at_most));
      }
    }
    fmt::print("\n");
  }

  Spent spent_on(Problem problem, const Rule& rule, const Scale& scale, int seeds) const {
    std::vector<double> steps, time, trials, busy;
    const double target = quantile(problem, 1 / scale.one_in);
    Setting s = setting(problem, rule.options, scale.workers, 0);
    s.target = target;
    s.budget = static_cast<std::int64_t>(kMostTimes * scale.one_in) * kMaxSteps;
    if (rule.label == kBound) {
      s.scheduler = [thresholds = best_thresholds(problem, 1 / scale.one_in)] {
        return make_thresholds_scheduler(thresholds);
      };
    }
    int missed = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      s.seed = static_cast<std::uint64_t>(seed);
      const Result r = simulate(s);
      missed += r.reached ? 0 : 1;
      if (2 * missed > seeds) return {INFINITY, INFINITY, 0, 0, 1};  // whatever the others say
      steps.push_back(r.reached ? static_cast<double>(r.steps) : INFINITY);
      time.push_back(r.reached ? r.time : INFINITY);
      trials.push_back(static_cast<double>(r.trials));
      busy.push_back(r.busy);
    }
    return {median(steps), median(time), median(trials), median(busy), static_cast<double>(missed) / seeds};
  }

  /// Li et al. 2020, section 4.2: ASHA's time to a good configuration falls nearly linearly with workers.
  void scaling() {
    const double target = quantile(Problem::smooth, 1.0 / 1000);
    const std::uint64_t seeds = quick_ ? 1 : 11;
    fmt::print(
        "Time to one of 1000 with more workers, smooth, median of {} seeds (Li et al. 2020: nearly linear)\n",
        seeds);
    fmt::print("{:17} {:>8} {:>12} {:>9} {:>11}\n", "rule", "workers", "time", "faster", "efficiency");
    for (const auto& rule : rules()) {
      if (rule.label != "asha" && rule.label != "asha, promote") continue;
      double alone = 0;
      for (const std::size_t workers : {1, 5, 25, 125}) {
        std::vector<double> times;
        for (std::uint64_t seed = 0; seed < seeds; ++seed) {
          Setting s = setting(Problem::smooth, rule.options, workers, 100 + seed);
          s.target = target;
          times.push_back(simulate(s).time);
        }
        const double time = median(times);
        if (workers == 1) alone = time;
        const double efficiency = alone / time / static_cast<double>(workers);
        fmt::print("{:17} {:8} {:12.0f} {:8.1f}x {:10.0f}%\n", rule.label, workers, time, alone / time,
                   100 * efficiency);
        if (workers == 25) {
          bar(fmt::format("{}: 25 workers at least half as good as linear: {:.0f}%", rule.label,
                          100 * efficiency),
              efficiency >= 0.5);
        }
      }
    }
    fmt::print("\n");
  }

  /// Whether stopping early loses the slow ones that win late.
  void crossing() {
    constexpr std::int64_t kTrials = 200;
    const std::uint64_t seeds = quick_ ? 3 : 21;
    fmt::print("Curves that cross: loss with the steps of {} whole trials, 25 workers, median of {} seeds\n",
               kTrials, seeds);
    struct Row {
      Rule rule;
      double loss = 0;
    };
    std::vector<Row> rows;
    for (const auto& rule : rules()) {
      if (rule.label != kBound) rows.push_back({rule});
    }
    all_at_once(rows, [&](Row& row) {
      std::vector<double> losses;
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        Setting s = setting(Problem::crossing, row.rule.options, 25, 200 + seed);
        s.budget = kTrials * kMaxSteps;
        losses.push_back(simulate(s).quality);
      }
      row.loss = median(losses);
    });
    const double none = rows.front().loss;
    for (const auto& [rule, loss] : rows) {
      fmt::print("{:17} {:8.4f}  {:5.3f} of none's\n", rule.label, loss, loss / none);
      if (rule.label == "asha" || rule.label == "asha, promote" || rule.label == "envelope" ||
          rule.label.starts_with("curve")) {
        bar(fmt::format("{}: no more than 5 % worse where curves cross: {:.3f}", rule.label, loss / none),
            loss <= 1.05 * none);
      }
    }
  }

  bool quick_;
  std::vector<RandomPoints> random_;  ///< of problems with 5 and 25 workers
  std::string bars_;
};

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument != "--quick") {
      fmt::print(stderr, "found \"{}\", allowed is --quick\n", argument);
      return 2;
    }
    quick = true;
  }
  return Bench(quick).run();
}
