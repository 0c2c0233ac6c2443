#include "rules.hpp"

#include "backend/cpu_backend.hpp"
#include "model/curves.hpp"
#include "problems.hpp"
#include "scheduler/schedulers.hpp"

namespace krigon::bench {

std::vector<Rule> rules() {
  const auto with = [](const char* type, auto change) {
    EarlyStopping o;
    o.type = type;
    o.max_steps = kMaxSteps;
    change(o);
    return o;
  };
  const auto plain = [](EarlyStopping&) {};
  return {
      {"none", with("none", plain), 1, 10'000, true},
      {kBound, with(kBound, plain), 5, 25},
      {"asha", with("asha", plain), 1, 10'000, true},
      {"asha, promote", with("asha", [](auto& o) { o.promote = true; }), 1, 10'000},
      {"asha, 3 brackets", with("asha", [](auto& o) { o.brackets = 3; })},
      // For who knows that curves say nothing at first.
      {"asha, min 9", with("asha", [](auto& o) { o.min_steps = 9; }), 1, 10'000, true},
      {"envelope", with("envelope", plain), 1, 10'000, true},
      {"hyperband", with("hyperband", plain), 1, 10'000},
      {"median", with("median", plain)},
      {"percentile 25", with("percentile", plain)},
      {"patience 10", with("patience", [](auto& o) { o.delta = 0.005; })},
      // A forecast takes a millisecond, which thousands of trials of random points are not worth here.
      {"curve", with("curve", plain), 1, 5},
      {"curve, min 9", with("curve", [](auto& o) { o.min_steps = 9; }), 1, 5, true},
      // With fewer workers than members nobody is there to be cloned.
      {"pbt", with("pbt", [](auto& o) { o.interval = 9, o.population = 25; }), 25, 25},
  };
}

std::unique_ptr<Scheduler> make_rule(const EarlyStopping& options, Problem problem) {
  SchedulerMeans means;
  if (options.type == "curve")
    means.predictor = make_curve_predictor(make_cpu_backend({.threads = 1}), space(problem));
  return make_study_scheduler(options, means);
}

}  // namespace krigon::bench
