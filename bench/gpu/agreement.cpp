#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "core/random.hpp"
#include "table.hpp"

namespace krigon::bench {

namespace {

constexpr std::int64_t kColumns = 5;

/// What one backend makes of n points: a batch of likelihoods with gradients, moments and their adjoint.
std::vector<double> everything(Backend& backend, std::int64_t n) {
  Random random(4, static_cast<std::uint64_t>(n), Purpose::candidates);
  const auto draw = [&](std::int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = random.uniform();
    return values;
  };
  const auto resident = [&](const std::vector<double>& values) {
    Buffer buffer = backend.allocate(values.size());
    backend.upload(values, buffer.data());
    return buffer;
  };
  std::vector<double> results;
  const auto keep = [&](const Buffer& buffer) {
    const std::size_t before = results.size();
    results.resize(before + buffer.size());
    backend.download(buffer.data(), std::span(results).subspan(before));
  };
  const auto data =
      backend.load({n, draw(kColumns * n), draw(n), {}, CovarianceSpec::matern52({0, 1, 2, 3, 4})});
  const std::int64_t rows = data->layout.rows();
  std::vector<double> thetas;
  for (int b = 0; b < 3; ++b) {
    for (std::int64_t row = 0; row < rows; ++row) {
      thetas.push_back(row == data->layout.noise() ? -4 : row + 1 == rows ? 0 : -0.2 - 0.1 * b);
    }
  }
  const Buffer theta = resident(thetas);
  const Buffer value = backend.allocate(static_cast<std::size_t>(3 * (rows + 1)));
  for (int repeat = 0; repeat < 3; ++repeat) {  // as it is, recorded, and replayed
    backend.mll_value_grad(*data, {theta.data(), rows, 3, rows}, {value.data(), rows + 1, 3, rows + 1});
    keep(value);
  }
  const Buffer info = backend.allocate(1);
  const auto model = backend.prepare(*data, {theta.data(), rows, 1, rows}, info.data());
  keep(info);
  constexpr std::int64_t kPoints = 64;
  const Buffer x = resident(draw(kColumns * kPoints));
  for (const std::int64_t q : {1, 4}) {
    const std::int64_t height = q * (1 + q);
    const std::int64_t groups = kPoints / q;
    const Buffer adjoint = resident(draw(height * groups));
    const Buffer out = backend.allocate(static_cast<std::size_t>(height * groups));
    const Buffer dx = backend.allocate(static_cast<std::size_t>(kColumns * kPoints));
    backend.posterior_for_vjp(*model, {x.data(), kColumns, kPoints, kColumns}, q,
                              {out.data(), height, groups, height});
    backend.posterior_vjp(*model, {adjoint.data(), height, groups, height},
                          {dx.data(), kColumns, kPoints, kColumns});
    keep(out);
    keep(dx);
  }
  return results;
}

}  // namespace

bool agrees_with_the_cpu(Backend& backend, const Sizes& sizes) {
  constexpr double kAllowed = 1e-8;
  const auto cpu = make_cpu_backend();
  bool fine = true;
  for (const std::int64_t n :
       sizes.quick ? std::vector<std::int64_t>{5, 40} : std::vector<std::int64_t>{40, 300, 700, 2000}) {
    const auto found = everything(backend, n);
    const auto expected = everything(*cpu, n);
    double largest = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double apart = std::abs(found[i] - expected[i]) / (1 + std::abs(expected[i]));
      // Not a number is as far apart as can be.
      largest = apart <= largest ? largest : std::isnan(apart) ? INFINITY : apart;
    }
    const bool here = largest <= kAllowed;
    fmt::print("{:<66}{:>11.1e}{:>12}{:>12}\n", fmt::format("against the CPU, {} points, relative", n),
               largest, fmt::format("<= {:.0e}", kAllowed), here ? "agrees" : "DIFFERS");
    fine = fine && here;
  }
  return fine;
}

}  // namespace krigon::bench
