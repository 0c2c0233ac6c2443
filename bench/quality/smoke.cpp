// Regret of the model-based sampler against random search, on four functions.
//   krigon-bench-smoke [--quick]
// Exit code 1 when a function's median regret is not small enough.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "bench/quality/problems.hpp"
#include "krigon/error.hpp"
#include "propose/samplers.hpp"
#include "tests/support/told.hpp"

namespace {

using namespace krigon;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Run {
  double regret = 0;
  double seconds = 0;  ///< in the sampler
  int notes = 0;       ///< proposals that fell back
};

Run run(const bench::Problem& problem, const std::string& sampler_name, std::uint64_t seed, int trials,
        const std::shared_ptr<Backend>& backend) {
  const auto sampler = make_sampler({sampler_name, {}}, problem.space, seed, backend);
  testing::Told study(problem.space);
  Run result;
  double best = HUGE_VAL;
  for (int i = 0; i < trials; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto number = study.ask(*sampler);
    result.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto& trial = study.history().trial(number);
    result.notes += trial.proposal.note.empty() ? 0 : 1;
    const double value = problem.objective(trial.parameters);
    best = std::min(best, value);
    study.complete(number, value);
  }
  result.regret = best - problem.minimum;
  return result;
}

int smoke(bool quick) {
  const int seeds = quick ? 3 : 10, trials = quick ? 40 : 100;
  const std::shared_ptr<Backend> backend = make_cpu_backend();
  fmt::print("median regret over {} seeds after {} trials, one trial at a time\n\n", seeds, trials);
  fmt::print("{:<12} {:>12} {:>12} {:>12} {:>9} {:>9} {:>10} {:>6}\n", "function", "random", "gp", "gp worst",
             "ratio", "needed", "ms per ask", "");
  bool all_passed = true;
  int notes = 0;
  for (const auto& problem : bench::smoke_problems()) {
    std::vector<double> random, model;
    double seconds = 0;
    for (int seed = 1; seed <= seeds; ++seed) {
      random.push_back(run(problem, "random", static_cast<std::uint64_t>(seed), trials, backend).regret);
      const Run gp = run(problem, "gp", static_cast<std::uint64_t>(seed), trials, backend);
      model.push_back(gp.regret);
      seconds += gp.seconds;
      notes += gp.notes;
    }
    const double ratio = median(model) / median(random);
    const bool passed = ratio < problem.needed;
    all_passed = all_passed && passed;
    fmt::print("{:<12} {:>12.4g} {:>12.4g} {:>12.4g} {:>9.4f} {:>9.4f} {:>10.1f} {:>6}\n", problem.name,
               median(random), median(model), *std::max_element(model.begin(), model.end()), ratio,
               problem.needed, 1000 * seconds / (seeds * trials), passed ? "pass" : "FAIL");
    std::fflush(stdout);
  }
  fmt::print("\nproposals that fell back: {}\n", notes);
  if (quick) {
    fmt::print("a quick run shows that it works; it is not judged\n");
    return 0;
  }
  return all_passed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    fmt::print(stderr, "usage: krigon-bench-smoke [--quick]\n");
    return 2;
  }
  try {
    return smoke(quick);
  } catch (const krigon::Error& error) {
    fmt::print(stderr, "krigon-bench-smoke: {}\n", error.what());
    return 1;
  }
}
