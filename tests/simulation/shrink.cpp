#include "simulation/shrink.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace krigon::simulation {
namespace {

constexpr int kMostRuns = 600;

class Shrinker {
 public:
  Shrinker(Shrunk& best, const Options& options) : best_(best), options_(options) {
    invariant_ = best_.history.violation->invariant;
  }

  void shrink() {
    std::size_t size = 0;
    do {
      size = best_.plan.faults.size();
      leave_out_faults();
      make_smaller();
    } while (best_.plan.faults.size() < size);
  }

 private:
  bool still_fails(Plan plan) {
    if (best_.runs >= kMostRuns) return false;
    ++best_.runs;
    Chronicle history = run_history(plan, options_);
    if (!history.violation || history.violation->invariant != invariant_) return false;
    best_.plan = std::move(plan);
    best_.history = std::move(history);
    return true;
  }

  void leave_out_faults() {
    std::size_t portion = std::max<std::size_t>(best_.plan.faults.size() / 2, 1);
    while (!best_.plan.faults.empty()) {
      bool less = false;
      for (std::size_t from = 0; from < best_.plan.faults.size();) {
        Plan plan = best_.plan;
        const auto first = plan.faults.begin() + static_cast<std::ptrdiff_t>(from);
        const auto count = std::min(portion, plan.faults.size() - from);
        plan.faults.erase(first, first + static_cast<std::ptrdiff_t>(count));
        if (still_fails(std::move(plan))) {
          less = true;
        } else {
          from += portion;
        }
      }
      if (!less && portion == 1) return;
      if (!less) portion = std::max<std::size_t>(portion / 2, 1);
    }
  }

  void make_smaller() {
    Plan plan = best_.plan;
    plan.delays = 0;
    if (plan.delays != best_.plan.delays) still_fails(plan);
    for (const std::int64_t workers : {1, 2, 3, 5, 10}) {
      if (workers >= best_.plan.workers) break;
      plan = best_.plan;
      plan.workers = workers;
      if (still_fails(plan)) break;
    }
    for (const std::int64_t trials : {2, 5, 10, 20, 50, 100}) {
      if (trials >= std::max(best_.plan.trials, best_.plan.points)) break;
      plan = best_.plan;
      if (plan.trials > 0) plan.trials = trials;
      if (plan.points > 0) plan.points = trials;
      if (still_fails(plan)) break;
      // The faults as early, in proportion.
      for (auto& fault : plan.faults)
        fault.after = fault.after * trials / std::max(best_.plan.trials, best_.plan.points);
      if (still_fails(plan)) break;
    }
  }

  Shrunk& best_;
  const Options& options_;
  std::string invariant_;
};

}  // namespace

Shrunk shrink(const Plan& plan, const Options& options) {
  Shrunk best{plan, run_history(plan, options), 1};
  if (best.history.violation) Shrinker(best, options).shrink();
  return best;
}

std::string describe(const Plan& plan, const Chronicle& history) {
  std::string text = fmt::format("seed {}: {} workers, {} trials, {} faults\n", plan.seed, plan.workers,
                                 std::max(plan.trials, plan.points), plan.faults.size());
  for (const auto& line : history.happened) text += line + "\n";
  if (history.violation) {
    text +=
        fmt::format("VIOLATED: {}\n          {}\n", history.violation->invariant, history.violation->detail);
  }
  return text;
}

}  // namespace krigon::simulation
