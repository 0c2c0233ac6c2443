#include <cmath>
#include <fstream>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/random.hpp"
#include "cusolver_alone.hpp"
#include "kernels/acquisition/log_ei.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "propose/acquisition/acquisition.hpp"
#include "table.hpp"

namespace krigon::bench {

namespace {

GpData sample_data(std::int64_t n, std::int32_t columns) {
  Random random(1, static_cast<std::uint64_t>(n), Purpose::candidates);
  GpData data;
  data.n = static_cast<std::size_t>(n);
  for (std::int32_t k = 0; k < columns; ++k) data.groups.push_back(k);
  for (std::int64_t i = 0; i < n; ++i) {
    double y = 0.05 * random.normal();
    for (std::int32_t k = 0; k < columns; ++k) {
      const double x = random.uniform();
      data.columns.push_back(x);
      y += std::sin(3 * x + k) / (1 + k);
    }
    data.y.push_back(y);
  }
  return data;
}

/// Symmetric and well conditioned.
std::vector<double> kernel_matrix(std::int64_t n) {
  std::vector<double> by_distance(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < by_distance.size(); ++i)
    by_distance[i] = std::exp(-0.1 * static_cast<double>(i));
  std::vector<double> k;
  k.reserve(static_cast<std::size_t>(n * n));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < n; ++i) {
      k.push_back(by_distance[static_cast<std::size_t>(std::abs(i - j))] + (i == j ? 0.02 : 0));
    }
  }
  return k;
}

void write_for_peers(const std::string& path, const GpData& data, const Priors& priors) {
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
  std::vector<double> z;
  for (const double y : data.y) z.push_back(transform.forward(y));
  const auto written = [](const LogNormalPrior& prior) {
    return fmt::format(R"({{"location": {}, "scale": {}, "lower": {}, "upper": {}}})", prior.location,
                       prior.scale, prior.lower, prior.upper);
  };
  std::ofstream file(path);
  file << fmt::format(R"({{"n": {}, "d": {}, "columns": [{}], "z": [{}], "priors": {{"lengthscale": {}, )"
                      R"("signal_variance": {}, "noise_variance": {}, "mean_scale": {}}}}})",
                      data.n, data.column_count(), fmt::join(data.columns, ", "), fmt::join(z, ", "),
                      written(priors.lengthscale), written(priors.signal_variance),
                      written(priors.noise_variance), priors.mean_scale);
  if (!file.flush()) throw EnvironmentError(path + " could not be written");
}

}  // namespace

void line(const Sizes& sizes, const std::string& work, double figure, const std::string& unit, double bar,
          bool at_least) {
  fmt::print("{:<66}{:>11.4g}{:>12}{:>12}\n", work, figure,
             sizes.quick ? unit : fmt::format("{} {:g} {}", at_least ? ">=" : "<=", bar, unit),
             sizes.quick                                  ? ""
             : (at_least ? figure >= bar : figure <= bar) ? "reached"
                                                          : "NOT REACHED");
  std::fflush(stdout);
}

void time_factorisation(Backend& backend, int device, const Sizes& sizes) {
  const std::int64_t n = sizes.factor;
  const auto matrix = kernel_matrix(n);
  const CusolverSeconds alone = cusolver_alone(device, n, matrix, sizes.repeats);
  fmt::print("cuSOLVER alone, n = {}: potrf {:.2f} ms, potri {:.2f} ms\n", n, 1e3 * alone.factorise,
             1e3 * alone.invert);
  std::vector<double> times;
  {
    const Buffer original = backend.allocate(matrix.size());
    backend.upload(matrix, original.data());
    const Buffer a = backend.allocate(matrix.size());
    const Buffer info = backend.allocate(1);
    const View view{a.data(), n, n, n};
    std::vector<double> status(1);
    for (int i = 0; i <= sizes.repeats; ++i) {
      backend.add(1, {original.data(), n, n, n}, 0, view);
      backend.download(info.data(), status);  // waits
      const double time = seconds([&] {
        backend.cholesky(view, info.data());
        backend.cholesky_inverse(view);
        backend.download(info.data(), status);
      });
      if (status[0] != 0) throw EnvironmentError(fmt::format("the factorisation failed: info {}", status[0]));
      if (i > 0) times.push_back(time);
    }
  }
  const double both = alone.factorise + alone.invert;
  line(sizes, fmt::format("the likelihood's potrf + potri, n = {}: speed, share of cuSOLVER's alone", n),
       100 * both / median(times), "%", 60, true);

  const GpData data = sample_data(n, 20);
  const auto resident = backend.load({n, data.columns, data.y, {}, CovarianceSpec::matern52(data.groups)});
  const std::int64_t rows = resident->layout.rows();
  std::vector<double> theta(static_cast<std::size_t>(rows), 0.3);
  theta[static_cast<std::size_t>(resident->layout.noise())] = -4;
  theta.back() = 0;
  const Buffer on_device = backend.allocate(theta.size());
  backend.upload(theta, on_device.data());
  const Buffer out = backend.allocate(static_cast<std::size_t>(rows + 1));
  std::vector<double> values(out.size());
  times.clear();
  for (int i = 0; i <= sizes.repeats; ++i) {
    const double time = seconds([&] {
      backend.mll_value_grad(*resident, {on_device.data(), rows, 1, rows},
                             {out.data(), rows + 1, 1, rows + 1});
      backend.download(out.data(), values);
    });
    if (i > 0) times.push_back(time);
  }
  fmt::print(
      "the whole likelihood with its gradient, d = 20: {:.2f} ms, {:.2f} times cuSOLVER's potrf + potri\n",
      1e3 * median(times), median(times) / both);
}

void time_acquisition(Backend& backend, const Sizes& sizes) {
  constexpr std::int32_t kColumns = 10;
  const GpData data = sample_data(sizes.posterior, kColumns);
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
  Posterior posterior(backend, data, prior_mode(Priors::for_groups(kColumns), data), transform);
  if (posterior.status() == FitStatus::failed)
    throw EnvironmentError("the posterior failed: " + posterior.note());
  Acquisition acquisition({{&posterior, log_ei(posterior.best_target())}});
  const auto m = static_cast<std::size_t>(sizes.candidates);
  Random random(2, 0, Purpose::candidates);
  std::vector<double> x(m * kColumns), value(m), gradient(m * kColumns);
  for (double& entry : x) entry = random.uniform();
  std::vector<double> times;
  for (int i = 0; i <= sizes.repeats; ++i) {
    const double time = seconds([&] { acquisition.evaluate_with_gradient(x, value, gradient); });
    if (i > 0) times.push_back(time);
  }
  for (const double entry : value) {
    if (std::isnan(entry)) throw EnvironmentError("log-EI is not a number");
  }
  line(sizes, fmt::format("log-EI with gradient, n = {}, d = {}, {} at a time", sizes.posterior, kColumns, m),
       static_cast<double>(m) / median(times) / 1e6, "million/s", 1, true);
}

void time_fits(Backend& backend, const Sizes& sizes, const std::string& folder) {
  constexpr std::int32_t kColumns = 10;
  for (const std::int64_t n : {sizes.peer_fit, sizes.fit}) {
    const GpData data = sample_data(n, kColumns);
    if (!folder.empty()) {
      write_for_peers(fmt::format("{}/fit-{}.json", folder, n), data, Priors::for_groups(kColumns));
    }
    FitOptions options;
    options.output = OutputScaling::standardise;
    FitResult result;
    const double time = seconds([&] { result = fit(backend, data, options); });
    if (result.status == FitStatus::failed) throw EnvironmentError("the fit failed: " + result.note);
    const std::string work = fmt::format("fit, n = {}, d = {}, {} evaluations, log posterior {:.3f}", n,
                                         kColumns, result.evaluations, result.log_posterior);
    if (n == sizes.fit) {
      line(sizes, work, time, "s", 5, false);
    } else {
      fmt::print("{:<66}{:>11.4g}{:>12}\n", work, time, "s");
    }
    if (!folder.empty()) std::ofstream(fmt::format("{}/fit-{}.seconds", folder, n)) << time << "\n";
  }
}

}  // namespace krigon::bench
