// The engine's parts against what the BLAS itself takes for the same sizes.
//
// `ratio` is ours divided by theirs, both medians, measured by turns within one run: machines slip into
// states in which everything takes twice as long, and a ratio survives that.
//
//   krigon-bench-engine                    all of it
//   krigon-bench-engine --quick            a short run to see that it works
//   krigon-bench-engine --benchmark_filter=Step

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <cblas.h>

#include "backend/backend.hpp"
#include "backend/blas.hpp"
#include "core/random.hpp"
#include "kernels/normal.hpp"
#include "model/gp.hpp"

extern "C" {
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dpotri_(const char* uplo, const int* n, double* a, const int* lda, int* info);
}

namespace krigon {
namespace {

Backend& backend() {
  static const std::unique_ptr<Backend> instance = make_cpu_backend();
  return *instance;
}

double sample_function(std::span<const double> x) {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double weight = 1.0 / static_cast<double>(1 + k);
    sum += weight * std::sin(3 * x[k] + static_cast<double>(k)) + 0.5 * weight * x[k] * x[(k + 1) % x.size()];
  }
  return sum;
}

GpData sample_data(std::size_t n, std::size_t columns) {
  Random random(1, n, Purpose::candidates);
  GpData data;
  data.n = n;
  for (std::size_t k = 0; k < columns; ++k) data.groups.push_back(static_cast<std::int32_t>(k));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < columns; ++k) data.columns.push_back(random.uniform());
    data.y.push_back(sample_function(std::span(data.columns).last(columns)) + 0.02 * random.normal());
  }
  return data;
}

Hyperparameters usual(std::size_t columns) {
  Hyperparameters h;
  for (std::size_t k = 0; k < columns; ++k) h.log_lengthscale.push_back(0.3 + 0.03 * static_cast<double>(k));
  h.log_signal_variance = {0.1};
  h.log_noise_variance = -4;
  return h;
}

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// Times `ours`, and `theirs` in between without counting it.
void by_turns(benchmark::State& state, const std::function<void()>& ours,
              const std::function<void()>& theirs) {
  std::vector<double> our_times;
  std::vector<double> their_times;
  for (auto _ : state) {
    their_times.push_back(seconds_of(theirs));
    our_times.push_back(seconds_of(ours));
    state.SetIterationTime(our_times.back());
  }
  state.counters["ratio"] = median(our_times) / median(their_times);
  state.counters["median_ms"] = 1e3 * median(our_times);
}

std::vector<double> kernel_matrix(std::size_t n) {
  std::vector<double> k(n * n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < n; ++i) {
      k[j * n + i] =
          std::exp(-0.1 * std::abs(static_cast<double>(i) - static_cast<double>(j))) + (i == j ? 0.02 : 0);
    }
  }
  return k;
}

/// Likelihood and all gradients; theirs: dpotrf + dpotri on one thread.
void Likelihood(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const GpData data = sample_data(n, 20);
  const auto resident =
      backend().load({state.range(0), data.columns, data.y, {}, CovarianceSpec::matern52(data.groups)});
  const Hyperparameters h = usual(20);
  std::vector<double> theta = h.log_lengthscale;
  theta.insert(theta.end(), {h.log_signal_variance[0], h.log_noise_variance, h.mean, 0.0});
  const auto rows = static_cast<std::int64_t>(theta.size());
  std::vector<double> out(theta.size() + 1);
  const std::vector<double> matrix = kernel_matrix(n);
  std::vector<double> copy = matrix;
  by_turns(
      state,
      [&] {
        backend().mll_value_grad(*resident, ConstView{theta.data(), rows, 1, rows},
                                 View{out.data(), rows + 1, 1, rows + 1});
      },
      [&] {
        const detail::SerialBlas serial;
        std::copy(matrix.begin(), matrix.end(), copy.begin());
        const int order = static_cast<int>(n);
        int info = 0;
        dpotrf_("L", &order, copy.data(), &order, &info);
        dpotri_("L", &order, copy.data(), &order, &info);
      });
}
BENCHMARK(Likelihood)
    ->Arg(50)
    ->Arg(100)
    ->Arg(200)
    ->Arg(500)
    ->Arg(1000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// Mean and variance of 10,000 candidates; theirs: dtrsm alone on one thread.
void RawCandidates(benchmark::State& state) {
  constexpr std::size_t kCandidates = 10000;
  const auto n = static_cast<std::size_t>(state.range(0));
  const GpData data = sample_data(n, 10);
  Posterior posterior(backend(), data, usual(10), OutputTransform::of(data.y, OutputScaling::winsorise));
  const GpData candidates = sample_data(kCandidates, 10);
  std::vector<double> mean(kCandidates);
  std::vector<double> variance(kCandidates);
  std::vector<double> factor = kernel_matrix(n);
  const int order = static_cast<int>(n);
  int info = 0;
  dpotrf_("L", &order, factor.data(), &order, &info);
  std::vector<double> columns(n * kCandidates, 0.5);
  by_turns(
      state, [&] { posterior.evaluate(candidates.columns, mean, variance); },
      [&] {
        const detail::SerialBlas serial;
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, order, kCandidates, 1.0,
                    factor.data(), order, columns.data(), order);
      });
}
BENCHMARK(RawCandidates)->Arg(200)->Arg(500)->Arg(1000)->UseManualTime()->Unit(benchmark::kMillisecond);

/// One lockstep step of 20 starts, log EI and its gradient; theirs: the two dgemm with K^-1's size.
void Step(benchmark::State& state) {
  constexpr std::size_t kStarts = 20;
  const auto n = static_cast<std::size_t>(state.range(0));
  const GpData data = sample_data(n, 10);
  Posterior posterior(backend(), data, usual(10), OutputTransform::of(data.y, OutputScaling::winsorise));
  const GpData candidates = sample_data(kStarts, 10);
  std::vector<double> mean(kStarts), variance(kStarts), dx(candidates.columns.size());
  const double best = posterior.best_target();
  const Posterior::Adjoint adjoint = [&](std::span<const double> m, std::span<const double> v,
                                         std::span<double> d_mean, std::span<double> d_variance) {
    for (std::size_t j = 0; j < m.size(); ++j) {
      const LogEi e = log_expected_improvement(m[j], v[j], best);
      d_mean[j] = e.d_mean;
      d_variance[j] = e.d_variance;
    }
  };
  const std::vector<double> matrix = kernel_matrix(n);
  std::vector<double> in(n * kStarts, 0.5);
  std::vector<double> out(n * kStarts);
  const int order = static_cast<int>(n);
  by_turns(
      state, [&] { posterior.evaluate_with_gradient(candidates.columns, mean, variance, adjoint, dx); },
      [&] {
        const detail::SerialBlas serial;
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, order, kStarts, order, 1.0, matrix.data(),
                    order, in.data(), order, 0.0, out.data(), order);
      });
}
BENCHMARK(Step)->Arg(100)->Arg(200)->Arg(500)->Arg(1000)->UseManualTime()->Unit(benchmark::kMillisecond);

/// The factorised posterior from nothing, as an ask without a refit needs it.
void Prepare(benchmark::State& state) {
  const GpData data = sample_data(static_cast<std::size_t>(state.range(0)), 10);
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::winsorise);
  for (auto _ : state) {
    const Posterior posterior(backend(), data, usual(10), transform);
    benchmark::DoNotOptimize(&posterior);
  }
}
BENCHMARK(Prepare)->Arg(100)->Arg(500)->Arg(1000)->UseRealTime()->Unit(benchmark::kMillisecond);

void ColdFit(benchmark::State& state) {
  const GpData data = sample_data(static_cast<std::size_t>(state.range(0)), 10);
  for (auto _ : state) {
    const FitResult result = fit(backend(), data, {});
    state.counters["evaluations"] = result.evaluations;
  }
}
BENCHMARK(ColdFit)->Arg(20)->Arg(100)->Arg(200)->Arg(500)->UseRealTime()->Unit(benchmark::kMillisecond);

/// After ten more points.
void WarmFit(benchmark::State& state) {
  GpData data = sample_data(static_cast<std::size_t>(state.range(0)), 10);
  const GpData all = data;
  data.n -= 10;
  data.columns.resize(data.n * 10);
  data.y.resize(data.n);
  FitOptions options;
  options.warm_start = fit(backend(), data, {}).hyperparameters;
  options.starts = 1;
  for (auto _ : state) {
    const FitResult result = fit(backend(), all, options);
    state.counters["evaluations"] = result.evaluations;
  }
}
BENCHMARK(WarmFit)->Arg(100)->Arg(200)->Arg(500)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace krigon

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string quick = "--benchmark_min_time=0.001";
  for (char*& argument : arguments) {
    if (std::strcmp(argument, "--quick") == 0) argument = quick.data();
  }
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  const krigon::BackendInfo info = krigon::backend().info();
  benchmark::AddCustomContext("instructions", info.instructions);
  benchmark::AddCustomContext("blas", info.blas + " (" + info.blas_core + ", " + info.blas_parallel + ")");
  benchmark::AddCustomContext("threads", std::to_string(info.threads));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
