// Optimising an acquisition against BoTorch's optimize_acqf: the same posterior, raw candidates and starts.
// Both values are Krigon's, at the points found; q points by many more samples than either searched with.

#include "krigon/acquisition.hpp"

#include <cmath>

#include <fmt/format.h>

#include "peer.hpp"

namespace krigon::bench {

namespace {

constexpr std::size_t kPoints = 500;
constexpr std::size_t kSamples = 128;
constexpr std::size_t kJudgeSamples = 8192;
constexpr double kBar = 10;

bool row(GaussianProcess& process, Peer& peer, nlohmann::json task, std::size_t q, int repeats) {
  AcquisitionOptions options;
  options.name = q == 1 ? "log-ei" : "q-log-ei";
  options.q = q;
  options.samples = kSamples;
  options.raw = 1024;
  options.starts = 20;
  task["q"] = q;
  task["samples"] = kSamples;
  std::vector<double> ours, theirs, our_value, their_value;
  AcquisitionOptions judge = options;
  judge.samples = kJudgeSamples;
  judge.seed = 99;
  const auto value = [&](const std::vector<double>& x) {
    std::vector<double> found(1);
    evaluate_acquisition(process, judge, x, found);
    return found.front();
  };
  for (int i = 0; i < repeats; ++i) {
    options.seed = static_cast<std::uint64_t>(i);
    task["seed"] = i;
    const nlohmann::json answer = peer.ask(task);
    theirs.push_back(1e3 * answer["seconds"].get<double>());
    their_value.push_back(value(answer["x"].get<std::vector<double>>()));
    AcquisitionMaximum found;
    ours.push_back(milliseconds([&] { found = maximize_acquisition(process, options); }));
    our_value.push_back(value(found.x));
  }
  const double ratio = median(theirs) / median(ours);
  // Samples differ, and so does, a little, what they make best.
  const double slack = q == 1 ? 1e-6 : 0.01;
  const bool passed = ratio >= kBar && median(our_value) >= median(their_value) - slack;
  fmt::print("{:>6} {:>12.2f} {:>12.2f} {:>9.1f} {:>6} {:>14.6f} {:>15.6f} {:>6}\n", q, median(ours),
             median(theirs), ratio, kBar, median(our_value), median(their_value), passed ? "pass" : "FAIL");
  std::fflush(stdout);
  return passed;
}

}  // namespace

bool bench_acquisition(bool quick) {
  const GpData data = sample_data(kPoints);
  const std::vector<double> z = standardised(data);
  krigon::GpOptions options;
  options.device = "cpu";
  options.lower.assign(kColumns, 0.0);
  options.upper.assign(kColumns, 1.0);
  auto process = GaussianProcess::fit(data.columns, kColumns, z, options);
  const GpHyperparameters found = process.hyperparameters();
  const nlohmann::json task{{"n", kPoints},
                            {"d", kColumns},
                            {"columns", data.columns},
                            {"z", z},
                            {"lengthscales", found.lengthscales},
                            {"signal_variance", found.signal_variances.front()},
                            {"noise_variance", found.noise_variance},
                            {"mean", found.mean}};
  Peer peer("acquisition.py");
  fmt::print(
      "log expected improvement of q points maximised, n = {}, {} columns, 20 starts of 1,024 candidates,\n"
      "against BoTorch's optimize_acqf; medians\n",
      kPoints, kColumns);
  fmt::print("{:>6} {:>12} {:>12} {:>9} {:>6} {:>14} {:>15}\n", "q", "ours, ms", "theirs, ms", "faster by",
             "bar", "our value", "their value");
  const bool passed = row(process, peer, task, 1, quick ? 1 : 5);
  return quick || (row(process, peer, task, 8, 3) && passed);
}

}  // namespace krigon::bench
