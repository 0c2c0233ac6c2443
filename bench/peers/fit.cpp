// A whole fit against BoTorch's fit_gpytorch_mll: the same data, kernel, priors and threads. Both objectives
// are Krigon's log posterior, in nats, evaluated by Krigon.

#include <cmath>

#include <fmt/format.h>

#include "model/likelihood.hpp"
#include "peer.hpp"

namespace krigon::bench {

namespace {

bool row(Backend& backend, Peer& peer, std::size_t n, double bar, int repeats) {
  const GpData data = sample_data(n);
  const Priors priors = Priors::for_groups(kColumns);
  const std::vector<double> z = standardised(data);
  FitOptions options;
  options.output = OutputScaling::standardise;
  std::vector<double> ours, theirs;
  FitResult result;
  nlohmann::json answer;
  for (int i = 0; i < repeats; ++i) {
    answer = peer.ask(
        {{"n", n}, {"d", kColumns}, {"columns", data.columns}, {"z", z}, {"priors", written(priors)}});
    theirs.push_back(1e3 * answer["seconds"].get<double>());
    ours.push_back(milliseconds([&] { result = fit(backend, data, options); }));
  }
  detail::NegativeLogPosterior objective(backend, data, z, {}, priors);
  std::vector<double> value(1), gradient(objective.dimension());
  objective(answer["theta"].get<std::vector<double>>(), value, gradient);
  const double ratio = median(theirs) / median(ours);
  const bool passed = ratio >= bar && result.log_posterior >= -value[0] - 1e-4 * std::abs(value[0]);
  fmt::print("{:>6} {:>12.2f} {:>12.2f} {:>9.1f} {:>6} {:>14.4f} {:>15.4f} {:>8} {:>8} {:>6}\n", n,
             median(ours), median(theirs), ratio, bar, result.log_posterior, -value[0], result.evaluations,
             answer["evaluations"].get<int>(), passed ? "pass" : "FAIL");
  std::fflush(stdout);
  return passed;
}

}  // namespace

bool bench_fit(bool quick) {
  const auto backend = make_cpu_backend({.threads = kThreads, .simd = {}});
  Peer peer("fit.py");
  fmt::print("a whole fit, {} columns, {} threads, against BoTorch's fit_gpytorch_mll; medians\n", kColumns,
             kThreads);
  fmt::print("{:>6} {:>12} {:>12} {:>9} {:>6} {:>14} {:>15} {:>8} {:>8}\n", "n", "ours, ms", "theirs, ms",
             "faster by", "bar", "our objective", "their objective", "our ev.", "theirs");
  bool passed = row(*backend, peer, 50, 20, quick ? 1 : 7);
  passed = row(*backend, peer, 200, 10, quick ? 1 : 5) && passed;
  passed = row(*backend, peer, 500, 5, quick ? 1 : 5) && passed;
  return quick || (row(*backend, peer, 2000, 2.5, 3) && passed);
}

}  // namespace krigon::bench
