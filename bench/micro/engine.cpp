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
#include <fmt/format.h>

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

/// An OpenMP library's threads spin for some time after a call, on the processors that the next one needs.
void let_threads_rest() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  while (std::chrono::steady_clock::now() < end) {
  }
}

bool& quick() {
  static bool value = false;
  return value;
}

struct Turn {
  bool prepare_after = false;  ///< else before
  int calls = 1;               ///< at a time
};

/// Times `ours` and `theirs` by turns, after one of each that does not count; `prepare` runs untimed before
/// each turn, or after it.
void by_turns(benchmark::State& state, const std::function<void()>& ours,
              const std::function<void()>& prepare, const std::function<void()>& theirs, Turn turn = {}) {
  std::vector<double> our_times;
  std::vector<double> their_times;
  const auto take = [&](const std::function<void()>& body, std::vector<double>& times) {
    let_threads_rest();
    times.push_back(seconds_of([&] {
                      for (int call = 0; call < turn.calls; ++call) body();
                    }) /
                    turn.calls);
  };
  const auto both = [&] {
    if (!turn.prepare_after) prepare();
    take(theirs, their_times);
    take(ours, our_times);
    if (turn.prepare_after) prepare();
  };
  for (auto _ : state) {
    both();
    our_times.clear();
    their_times.clear();
    const auto start = std::chrono::steady_clock::now();
    do {
      both();
    } while (!quick() && our_times.size() < 41 &&
             (our_times.size() < 7 || std::chrono::steady_clock::now() - start < std::chrono::seconds(4)));
    state.SetIterationTime(median(our_times));
  }
  state.counters["ratio"] = median(our_times) / median(their_times);
  state.counters["theirs_ms"] = 1e3 * median(their_times);
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

/// The rows of the table at the end: what the engine is held to.
struct Row {
  std::string work;
  double ratio;
  double bar;
  bool at_least;  ///< else at most
};
std::vector<Row>& table() {
  static std::vector<Row> rows;
  return rows;
}
void judge(benchmark::State& state, const std::string& work, double bar, bool at_least = false) {
  const double ratio = at_least ? 1.0 / state.counters["ratio"].value : state.counters["ratio"].value;
  table().push_back({work, ratio, bar, at_least});
}

/// While it lives, the BLAS uses as many threads as the backend.
class AllThreads {
 public:
  AllThreads() : before_(openblas_get_num_threads()) { openblas_set_num_threads(backend().info().threads); }
  ~AllThreads() { openblas_set_num_threads(before_); }
  AllThreads(const AllThreads&) = delete;
  AllThreads& operator=(const AllThreads&) = delete;

 private:
  int before_;
};

/// Likelihood and all gradients, d = 20; theirs: dpotrf + dpotri.
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
      [&] { std::copy(matrix.begin(), matrix.end(), copy.begin()); },
      [&] {
        const AllThreads all;
        const int order = static_cast<int>(n);
        int info = 0;
        dpotrf_("L", &order, copy.data(), &order, &info);
        dpotri_("L", &order, copy.data(), &order, &info);
      });
  const double bar = n >= 2000 ? 1.15 : n >= 1000 ? 1.25 : n >= 500 ? 1.3 : 1.5;
  judge(state, fmt::format("likelihood + gradient, n = {}, d = 20 / dpotrf + dpotri", n), bar);
}
BENCHMARK(Likelihood)
    ->Arg(200)
    ->Arg(500)
    ->Arg(1000)
    ->Arg(2000)
    ->Arg(4000)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// Log EI of 10,000 candidates, with its gradient or without; theirs: dtrsm alone.
void Candidates(benchmark::State& state) {
  constexpr std::size_t kCandidates = 10000;
  const auto n = static_cast<std::size_t>(state.range(0));
  const bool gradient = state.range(1) != 0;
  const GpData data = sample_data(n, 10);
  Posterior posterior(backend(), data, usual(10), OutputTransform::of(data.y, OutputScaling::winsorise));
  const GpData candidates = sample_data(kCandidates, 10);
  std::vector<double> mean(kCandidates), variance(kCandidates), value(kCandidates),
      dx(candidates.columns.size());
  const double best = posterior.best_target();
  const Posterior::Adjoint adjoint = [&](std::size_t first, std::span<const double> m,
                                         std::span<const double> v, std::span<double> d_mean,
                                         std::span<double> d_variance) {
    for (std::size_t j = 0; j < m.size(); ++j) {
      const LogEi e = log_expected_improvement(m[j], v[j], best);
      value[first + j] = e.value;
      d_mean[j] = e.d_mean;
      d_variance[j] = e.d_variance;
    }
  };
  std::vector<double> factor = kernel_matrix(n);
  const int order = static_cast<int>(n);
  int info = 0;
  dpotrf_("L", &order, factor.data(), &order, &info);
  std::vector<double> columns(n * kCandidates, 0.5);
  by_turns(
      state,
      [&] {
        if (gradient)
          return posterior.evaluate_with_gradient(candidates.columns, mean, variance, adjoint, dx);
        posterior.evaluate(candidates.columns, mean, variance);
        for (std::size_t j = 0; j < kCandidates; ++j) {
          value[j] = log_expected_improvement(mean[j], variance[j], best).value;
        }
      },
      [&] { std::fill(columns.begin(), columns.end(), 0.5); },
      [&] {
        const AllThreads all;
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, order, kCandidates, 1.0,
                    factor.data(), order, columns.data(), order);
      });
  judge(state, fmt::format("log EI{} of 10,000 candidates, n = {} / dtrsm", gradient ? " + gradient" : "", n),
        gradient ? 2.2 : 1.2);
}
BENCHMARK(Candidates)
    ->Args({1000, 0})
    ->Args({2000, 0})
    ->Args({1000, 1})
    ->Args({2000, 1})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// One lockstep step of 20 starts, log EI and its gradient; theirs: a dgemm with K^-1.
void Step(benchmark::State& state) {
  constexpr std::size_t kStarts = 20;
  const auto n = static_cast<std::size_t>(state.range(0));
  const GpData data = sample_data(n, 10);
  Posterior posterior(backend(), data, usual(10), OutputTransform::of(data.y, OutputScaling::winsorise));
  const GpData candidates = sample_data(kStarts, 10);
  std::vector<double> mean(kStarts), variance(kStarts), dx(candidates.columns.size());
  const double best = posterior.best_target();
  const Posterior::Adjoint adjoint = [&](std::size_t, std::span<const double> m, std::span<const double> v,
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
      [] {},
      [&] {
        const AllThreads all;
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, order, kStarts, order, 1.0, matrix.data(),
                    order, in.data(), order, 0.0, out.data(), order);
      },
      {.calls = 8});
  if (n >= 1000) judge(state, fmt::format("step of 20 starts, n = {} / dgemm with K^-1", n), 0.65);
}
BENCHMARK(Step)->Arg(200)->Arg(500)->Arg(1000)->Arg(2000)->Iterations(1)->UseManualTime()->Unit(
    benchmark::kMillisecond);

/// Covariances of 2,000 points, d = 20; theirs: a functor for each element, on as many threads.
void Gram(benchmark::State& state) {
  constexpr std::int64_t kN = 2000, kD = 20;
  const GpData data = sample_data(kN, kD);
  const auto covariance = backend().load_covariance(CovarianceSpec::matern52(data.groups));
  std::vector<double> theta(static_cast<std::size_t>(covariance->layout.rows()), 0.0);
  std::vector<double> k(kN * kN), other(kN * kN);
  const ConstView u{data.columns.data(), kD, kN, kD};
  const ConstView t{theta.data(), covariance->layout.rows(), 1, covariance->layout.rows()};
  const int threads = backend().info().threads;
  by_turns(
      state,
      [&] {
        backend().gram(*covariance, u, u, t, {k.data(), kN, kN, kN});
      },
      [] {},
      [&] {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (std::int64_t j = 0; j < kN; ++j) {
          for (std::int64_t i = 0; i < kN; ++i) {
            double r2 = 0;
            for (std::int64_t d = 0; d < kD; ++d) {
              const double difference = data.columns[static_cast<std::size_t>(i * kD + d)] -
                                        data.columns[static_cast<std::size_t>(j * kD + d)];
              r2 += difference * difference;
            }
            const double a = std::sqrt(5 * r2);
            other[static_cast<std::size_t>(j * kN + i)] = (1 + a + a * a / 3) * std::exp(-a);
          }
        }
      });
  judge(state, "a functor loop / Gram matrix 2000 x 2000, d = 20", 4, true);
}
BENCHMARK(Gram)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

/// One more observation at n = 2000; theirs: one dtrsv.
void Append(benchmark::State& state) {
  constexpr std::size_t kN = 2000;
  const GpData data = sample_data(kN, 10);
  Posterior posterior(backend(), data, usual(10), OutputTransform::of(data.y, OutputScaling::winsorise));
  const GpData more = sample_data(50, 10);
  std::vector<double> factor = kernel_matrix(kN);
  const int order = static_cast<int>(kN);
  int info = 0;
  dpotrf_("L", &order, factor.data(), &order, &info);
  std::vector<double> vector(kN, 0.5);
  std::size_t next = 0;
  by_turns(
      state,
      [&] {
        posterior.append(std::span(more.columns).subspan(10 * next, 10), std::span(more.y).subspan(next, 1));
      },
      [&] {
        posterior.remove(kN);
        next = (next + 1) % 50;
        std::fill(vector.begin(), vector.end(), 0.5);
      },
      [&] {
        const AllThreads all;
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, order, factor.data(), order,
                    vector.data(), 1);
      },
      {.prepare_after = true});
  judge(state, "append a point, n = 2000 / dtrsv", 3);
}
BENCHMARK(Append)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

/// 64 likelihoods and gradients of 100 points as one batch; theirs: ours, one by one.
void Batch(benchmark::State& state) {
  constexpr std::int64_t kCount = 64;
  const GpData data = sample_data(100, 20);
  const auto resident =
      backend().load({100, data.columns, data.y, {}, CovarianceSpec::matern52(data.groups)});
  const Hyperparameters h = usual(20);
  std::vector<double> one = h.log_lengthscale, theta;
  one.insert(one.end(), {h.log_signal_variance[0], h.log_noise_variance, h.mean, 0.0});
  const auto rows = static_cast<std::int64_t>(one.size());
  for (std::int64_t b = 0; b < kCount; ++b) {
    one[0] = 0.01 * static_cast<double>(b);
    theta.insert(theta.end(), one.begin(), one.end());
  }
  std::vector<double> out(static_cast<std::size_t>((rows + 1) * kCount));
  const auto run = [&](std::int64_t first, std::int64_t count) {
    backend().mll_value_grad(*resident, ConstView{theta.data() + first * rows, rows, count, rows},
                             View{out.data() + first * (rows + 1), rows + 1, count, rows + 1});
  };
  by_turns(
      state, [&] { run(0, kCount); }, [] {},
      [&] {
        for (std::int64_t b = 0; b < kCount; ++b) run(b, 1);
      });
  judge(state, "one by one / 64 likelihoods of n = 100 as a batch", 2, true);
}
BENCHMARK(Batch)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

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
  std::string shortest = "--benchmark_min_time=0.001";
  for (char*& argument : arguments) {
    if (std::strcmp(argument, "--quick") != 0) continue;
    krigon::quick() = true;
    argument = shortest.data();
  }
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  const krigon::BackendInfo info = krigon::backend().info();
  benchmark::AddCustomContext("instructions", info.instructions);
  benchmark::AddCustomContext("blas", info.blas + " (" + info.blas_core + ", " + info.blas_parallel + ")");
  benchmark::AddCustomContext("threads", std::to_string(info.threads));
  benchmark::RunSpecifiedBenchmarks();
  fmt::print("\n{:<64} {:>7} {:>9}\n", "work (ratio in one run, medians, by turns)", "ratio", "bar");
  for (const krigon::Row& row : krigon::table()) {
    const bool reached = row.at_least ? row.ratio >= row.bar : row.ratio <= row.bar;
    fmt::print("{:<64} {:>7.2f} {:>2} {:>6.2f}  {}\n", row.work, row.ratio,
               row.at_least ? ">=" : "<=", row.bar, reached ? "reached" : "NOT REACHED");
  }
  return 0;
}
