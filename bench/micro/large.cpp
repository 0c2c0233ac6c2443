// The approximation for many observations: seconds of a fit and of a proposal, and what the approximation
// costs in held-out log predictive density, against the exact process on the same data.
//   krigon-bench-large [--quick] [--neighbours M] [--prediction M] [--noise SD]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "kernels/normal.hpp"
#include "model/gp.hpp"
#include "model/limits.hpp"
#include "model/vecchia.hpp"
#include "model/vecchia_likelihood.hpp"

namespace {

using namespace krigon;

constexpr std::size_t kColumns = 10;

double seconds_of(const auto& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The processes that want to run, on average over the last minute; as the system says.
std::string load() {
  std::ifstream file("/proc/loadavg");
  std::string first;
  file >> first;
  return first;
}

/// Three columns interact, four add up, three hardly matter.
double truth(const double* x) {
  double sum = std::sin(6 * x[0] * x[1]) + 8 * (x[2] - 0.5) * (x[2] - 0.5) * x[0];
  for (int k = 3; k < 7; ++k) sum += 0.5 * std::cos(2.0 * k * x[k] + k);
  return sum + 0.05 * (x[7] + x[8] * x[9]);
}

GpData make_data(std::size_t n, std::uint64_t seed, double noise) {
  Random random(seed, n, Purpose::candidates);
  GpData data;
  data.n = n;
  for (std::size_t k = 0; k < kColumns; ++k) data.groups.push_back(static_cast<std::int32_t>(k));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < kColumns; ++k) data.columns.push_back(random.uniform());
    data.y.push_back(truth(&data.columns[i * kColumns]) + noise * random.normal());
  }
  return data;
}

/// Mean negative log density of held-out outputs, noise included, in model units.
template <typename Model>
double held_out(Model& model, const GpData& held) {
  std::vector<double> mean(held.n), variance(held.n);
  model.evaluate(held.columns, mean, variance);
  const double noise = std::exp(model.hyperparameters().log_noise_variance);
  double sum = 0;
  for (std::size_t i = 0; i < held.n; ++i) {
    const double v = variance[i] + noise;
    const double error = model.transform().forward(held.y[i]) - mean[i];
    sum += 0.5 * (std::log(2 * 3.14159265358979323846 * v) + error * error / v);
  }
  return sum / static_cast<double>(held.n);
}

/// 1,024 raw candidates, the 20 best refined by 40 steps of their log expected improvement's gradient.
double proposal(VecchiaPosterior& model) {
  Random random(7, 7, Purpose::candidates);
  constexpr std::size_t kRaw = 1024, kStarts = 20;
  std::vector<double> x(kRaw * kColumns), mean(kRaw), variance(kRaw);
  for (double& v : x) v = random.uniform();
  return seconds_of([&] {
    model.evaluate(x, mean, variance);
    std::vector<std::size_t> order(kRaw);
    for (std::size_t j = 0; j < kRaw; ++j) order[j] = j;
    std::vector<double> score(kRaw);
    for (std::size_t j = 0; j < kRaw; ++j) {
      score[j] = log_expected_improvement(mean[j], variance[j], model.best_target()).value;
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
    std::vector<double> at(kStarts * kColumns), dx(at.size()), m(kStarts), v(kStarts);
    for (std::size_t j = 0; j < kStarts; ++j)
      std::copy_n(&x[order[j] * kColumns], kColumns, &at[j * kColumns]);
    for (int step = 0; step < 40; ++step) {
      model.evaluate_with_gradient(
          at, m, v,
          [&](std::size_t, std::span<const double> means, std::span<const double> variances,
              std::span<double> d_mean, std::span<double> d_variance) {
            for (std::size_t j = 0; j < means.size(); ++j) {
              const LogEi ei = log_expected_improvement(means[j], variances[j], model.best_target());
              d_mean[j] = ei.d_mean;
              d_variance[j] = ei.d_variance;
            }
          },
          dx);
      for (std::size_t i = 0; i < at.size(); ++i) {
        at[i] = std::clamp(at[i] + 0.02 * dx[i] / (1 + std::abs(dx[i])), 0.0, 1.0);
      }
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  VecchiaOptions options;
  double noise = 0.05;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool more = i + 1 < argc;
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--neighbours" && more) {
      options.neighbours = std::atoi(argv[++i]);
    } else if (argument == "--prediction" && more) {
      options.prediction_neighbours = std::atoi(argv[++i]);
    } else if (argument == "--noise" && more) {
      noise = std::atof(argv[++i]);
    } else {
      fmt::print(stderr,
                 "usage: krigon-bench-large [--quick] [--neighbours M] [--prediction M] [--noise SD]\n");
      return 2;
    }
  }
  const auto backend = make_cpu_backend();
  const BackendInfo info = backend->info();
  fmt::print(
      "{} columns, noise {} (of about 1.1), {} neighbours, {} for predictions; {} threads, {}, load {}\n",
      kColumns, noise, options.neighbours, options.prediction_neighbours, info.threads, info.instructions,
      load());
  fmt::print(
      "exact fit and posterior of 4000 / 20000 points take {:.1f} / {:.1f} GB; {:.1f} GB are available\n",
      static_cast<double>(exact_bytes(4000, kColumns)) / (1 << 30),
      static_cast<double>(exact_bytes(20000, kColumns)) / (1 << 30),
      static_cast<double>(available_memory()) / (1 << 30));
  fmt::print("{:>7} {:>11} {:>11} {:>7} {:>10} {:>9} {:>9} {:>7}\n", "n", "neighbours", "evaluation", "fit",
             "proposal", "nlpd", "exact's", "load");
  const GpData held = make_data(1999, 99, noise);
  const std::vector<std::size_t> sizes =
      quick ? std::vector<std::size_t>{1000, 10000} : std::vector<std::size_t>{4000, 20000, 100000};
  for (const std::size_t n : sizes) {
    const GpData data = make_data(n, 1, noise);
    FitResult result;
    const double fit_seconds = seconds_of([&] { result = fit_vecchia(*backend, data, {}, options); });
    if (result.status == FitStatus::failed) {
      fmt::print(stderr, "{} points: the fit failed: {}\n", n, result.note);
      return 1;
    }
    std::vector<double> z;
    for (const double y : data.y) z.push_back(result.transform.forward(y));
    const auto pool = detail::vecchia_pool(*backend, options);
    detail::VecchiaLikelihood likelihood(*pool, detail::vecchia_tiles(*backend), data, z, {}, nullptr);
    std::vector<double> theta = result.hyperparameters.log_lengthscale;
    theta.insert(theta.end(), {result.hyperparameters.log_signal_variance.front(),
                               result.hyperparameters.log_noise_variance, result.hyperparameters.mean});
    const double neighbour_seconds =
        seconds_of([&] { likelihood.condition(theta, static_cast<std::size_t>(options.neighbours), n, 0); });
    double value = 0;
    std::vector<double> gradient(theta.size());
    const double evaluation_seconds = seconds_of([&] { likelihood(theta, value, gradient); });
    VecchiaPosterior model(*backend, data, result.hyperparameters, result.transform, options);
    const double proposal_seconds = proposal(model);
    const double nlpd = held_out(model, held);
    std::string exact_nlpd = "-";
    if (n <= kExactPoints) {
      // From the approximation's hyperparameters too: the best optimum that either finds.
      FitOptions both;
      both.warm_start = result.hyperparameters;
      const FitResult exact = fit(*backend, data, both);
      Posterior posterior(*backend, data, exact.hyperparameters, exact.transform);
      exact_nlpd = fmt::format("{:.4f}", held_out(posterior, held));
    }
    fmt::print("{:>7} {:>9.2f} s {:>9.2f} s {:>5.1f} s {:>8.3f} s {:>9.4f} {:>9} {:>7}\n", n,
               neighbour_seconds, evaluation_seconds, fit_seconds, proposal_seconds, nlpd, exact_nlpd,
               load());
    std::fflush(stdout);
  }
  return 0;
}
