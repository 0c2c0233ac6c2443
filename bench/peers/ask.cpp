// A whole proposal, hyperparameters fitted from nothing included, against Optuna's GPSampler and BoTorch's
// fit and optimize_acqf, after the same told trials.

#include <fmt/format.h>

#include "bench/quality/problems.hpp"
#include "core/random.hpp"
#include "peer.hpp"
#include "propose/gp_sampler.hpp"
#include "tests/support/told.hpp"

namespace krigon::bench {

namespace {

bool row(Peer& peer, std::size_t n, int repeats) {
  const std::shared_ptr<Backend> backend = make_cpu_backend({.threads = kThreads, .simd = {}});
  const Problem problem = ten_parameters();
  testing::Told told(problem.space);
  Random random(1, n, Purpose::random_sampler);
  std::vector<double> columns, y;
  for (std::size_t i = 0; i < n; ++i) {
    Parameters point;
    // As a search leaves them: half spread over the space, half around a good place.
    for (std::size_t k = 0; k < kColumns; ++k) {
      const double x = i % 2 == 0 ? random.uniform() : std::clamp(0.35 + 0.1 * random.normal(), 0.0, 1.0);
      point[fmt::format("x{}", k)] = x;
      columns.push_back(x);
    }
    y.push_back(problem.objective(point));
    told.tell(point, y.back());
  }
  const nlohmann::json task{{"n", n}, {"d", kColumns}, {"columns", columns}, {"y", y}};
  std::vector<double> ours, optuna, botorch;
  for (int i = 0; i < repeats; ++i) {
    for (const char* name : {"optuna", "botorch"}) {
      nlohmann::json named = task;
      named["peer"] = name;
      named["seed"] = i;
      (name == std::string("optuna") ? optuna : botorch)
          .push_back(1e3 * peer.ask(named)["seconds"].get<double>());
    }
    GpSamplerOptions options;
    options.initial = 5;
    const auto sampler = make_gp_sampler(problem.space, static_cast<std::uint64_t>(i), backend, options);
    ours.push_back(milliseconds([&] { sampler->propose(told.history(), told.next()); }));
  }
  const double by_optuna = median(optuna) / median(ours);
  const double by_botorch = median(botorch) / median(ours);
  const bool passed = by_optuna >= 20 && by_botorch >= 10;
  fmt::print("{:>6} {:>10.1f} {:>12.1f} {:>9.1f} {:>6} {:>12.1f} {:>9.1f} {:>6} {:>6}\n", n, median(ours),
             median(optuna), by_optuna, 20, median(botorch), by_botorch, 10, passed ? "pass" : "FAIL");
  std::fflush(stdout);
  return passed;
}

}  // namespace

bool bench_ask(bool quick) {
  Peer peer("ask.py");
  fmt::print("a whole proposal, hyperparameters fitted anew, ten parameters; medians, ms\n");
  fmt::print("{:>6} {:>10} {:>12} {:>9} {:>6} {:>12} {:>9} {:>6}\n", "told", "ours", "Optuna", "faster by",
             "bar", "BoTorch", "faster by", "bar");
  const bool passed = row(peer, 100, quick ? 1 : 5);
  return quick || (row(peer, 500, 3) && passed);
}

}  // namespace krigon::bench
