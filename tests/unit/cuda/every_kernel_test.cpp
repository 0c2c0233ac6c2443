// Every kernel of the backend at small sizes, held against the CPU: as fibers in cuda_backend_test, and in
// cuda_racecheck_test with a thread per CUDA thread, which the thread sanitizer judges.

#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "tests/host_cuda/control.hpp"

namespace krigon {
namespace {

/// Everything that a covariance may be made of, over three columns.
CovarianceSpec rich() {
  CovarianceSpec spec;
  spec.factors = {{CovarianceKind::matern52, {0, 1}, {0, 1}, {}, 0},
                  {CovarianceKind::periodic, {2}, {2}, {0}, 0},
                  {CovarianceKind::linear, {0, 2}, {3, 3}, {}, 1},
                  {CovarianceKind::matern32, {1}, {4}, {}, 1},
                  {CovarianceKind::rbf, {2}, {4}, {}, 2}};
  return spec;
}

/// What one backend makes of data that are the same for all.
class Everything {
 public:
  explicit Everything(Backend& backend) : backend_(backend) {}

  std::vector<double> of_a_process(std::int64_t n) {
    const CovarianceSpec spec = rich();
    const auto noise = random(n, 0.01, 0.1);
    const auto data = backend_.load({n, random(3 * n), random(2 * n, -1, 1), noise, spec});
    const ThetaLayout& layout = data->layout;
    const std::int64_t rows = layout.rows();
    std::vector<double> thetas = random(2 * rows, -0.5, 0.3);
    for (std::int64_t b = 0; b < 2; ++b) {
      thetas[static_cast<std::size_t>(b * rows + layout.noise())] = -3;
      thetas[static_cast<std::size_t>(b * rows + layout.jitter())] = 1e-6;
    }
    const Buffer theta = resident(thetas);
    const Buffer value = backend_.allocate(static_cast<std::size_t>(2 * rows + 2));
    backend_.mll_value_grad(*data, {theta.data(), rows, 2, rows}, {value.data(), rows + 1, 2, rows + 1});
    keep(value);

    const Buffer info = backend_.allocate(1);
    const auto model = backend_.prepare(*data, {theta.data(), rows, 1, rows}, info.data());
    keep(info);
    moments(*model, 1);
    moments(*model, 2);
    const Buffer more = resident(random(6));
    const Buffer targets = resident(random(4));
    const Buffer more_noise = resident({0.01, 0.02});
    backend_.append(*model, {more.data(), 3, 2, 3}, targets.data(), more_noise.data());
    backend_.remove(*model, n / 2);
    moments(*model, 1);
    const Buffer weights = backend_.allocate(static_cast<std::size_t>(3 * (n + 1)));
    backend_.weights(*model, {weights.data(), n + 1, 2, n + 1},
                     {weights.data() + 2 * (n + 1), n + 1, 1, n + 1});
    keep(weights);
    paths(*model, spec.features());
    return std::move(results_);
  }

  std::vector<double> of_single_operations() {
    constexpr std::int64_t kLong = 300;
    auto values = random(2 * kLong, -1, 1);
    values[7] = std::numeric_limits<double>::quiet_NaN();
    const Buffer in = resident(values);
    const Buffer top = backend_.allocate(12);
    backend_.top_k({in.data(), kLong, 1, kLong, 2, kLong}, {top.data(), 2, 3, 2, 2, 6});
    keep(top);

    // Large tiles.
    constexpr std::int64_t kMany = 1030;
    const auto covariance = backend_.load_covariance(CovarianceSpec::matern52({0}));
    const Buffer u = resident(random(kMany));
    const Buffer theta = resident({-1, 0, -3, 0, 0});
    const Buffer k = backend_.allocate(kMany * kMany);
    const ConstView points{u.data(), 1, kMany, 1};
    backend_.gram(*covariance, points, points, {theta.data(), 5, 1, 5}, {k.data(), kMany, kMany, kMany});
    keep(k);
    return std::move(results_);
  }

 private:
  void moments(ResidentPosterior& model, std::int64_t q) {
    constexpr std::int64_t kGroups = 3;
    const std::int64_t m = kGroups * q;
    const std::int64_t rows = q * (2 + q);
    const Buffer x = resident(random(3 * m));
    const Buffer adjoint = resident(random(rows * kGroups, -1, 1));
    const Buffer out = backend_.allocate(static_cast<std::size_t>(rows * kGroups));
    const Buffer dx = backend_.allocate(static_cast<std::size_t>(3 * m));
    backend_.posterior_for_vjp(model, {x.data(), 3, m, 3}, q, {out.data(), rows, kGroups, rows});
    backend_.posterior_vjp(model, {adjoint.data(), rows, kGroups, rows}, {dx.data(), 3, m, 3});
    keep(out);
    keep(dx);
  }

  void paths(ResidentPosterior& model, std::int64_t features) {
    constexpr std::int64_t kSamples = 2, kWaves = 5, kPoints = 3;
    const auto frequencies = random(features * kWaves, -2, 2);
    const auto phases = random(kWaves, 0, 6);
    const auto amplitudes = random(kWaves);
    const auto weights = random(kWaves * kSamples, -1, 1);
    const auto linear = random(features * kSamples, -1, 1);
    const auto noise = random(model.n * kSamples, -0.1, 0.1);
    const auto drawn = backend_.prepare_paths(
        model, {kSamples, kWaves, frequencies, phases, amplitudes, weights, linear, noise});
    const Buffer x = resident(random(3 * kPoints));
    const Buffer out = backend_.allocate(kSamples * kPoints);
    backend_.paths(model, *drawn, {x.data(), 3, kPoints, 3}, {out.data(), kSamples, kPoints, kSamples});
    keep(out);
  }

  std::vector<double> random(std::int64_t count, double low = 0, double high = 1) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = low + (high - low) * random_.uniform();
    return values;
  }
  Buffer resident(const std::vector<double>& values) {
    Buffer buffer = backend_.allocate(values.size());
    backend_.upload(values, buffer.data());
    return buffer;
  }
  void keep(const Buffer& buffer) {
    const std::size_t before = results_.size();
    results_.resize(before + buffer.size());
    backend_.download(buffer.data(), std::span(results_).subspan(before));
  }

  Backend& backend_;
  Random random_{7, 0, Purpose::candidates};
  std::vector<double> results_;
};

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-8 * (1 + std::abs(expected[i]))) << i;
  }
}

TEST(EveryKernel, AgreesWithTheCpu) {
  const auto cpu = make_cpu_backend({.threads = 1, .simd = {}});
  cuda::CudaBackend device({.device = 0, .batched_order = 64});
  // The race check takes milliseconds to wake the threads of a block: no more points than make two small
  // triangles to be joined.
  expect_near(Everything(device).of_a_process(35), Everything(*cpu).of_a_process(35));
  expect_near(Everything(device).of_single_operations(), Everything(*cpu).of_single_operations());
  // One of them for two sizes of tiles.
  EXPECT_EQ(host_cuda::distinct_kernels(), KRIGON_CUDA_KERNELS + 1u);
}

}  // namespace
}  // namespace krigon
