#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"

namespace krigon {
namespace {

struct Sample {
  std::vector<double> columns, targets, noise;
  CovarianceSpec covariance;
  HostData host(std::int64_t n) const { return {n, columns, targets, noise, covariance}; }
};

Sample sample(std::int64_t n, std::int64_t dims, bool known_noise) {
  Random random(1, static_cast<std::uint64_t>(n), Purpose::candidates);
  Sample made;
  std::vector<std::int32_t> groups;
  for (std::int64_t k = 0; k < dims; ++k) groups.push_back(static_cast<std::int32_t>(k));
  made.covariance = CovarianceSpec::matern52(groups);
  for (std::int64_t i = 0; i < n * dims; ++i) made.columns.push_back(random.uniform());
  for (std::int64_t i = 0; i < n; ++i) {
    made.targets.push_back(random.normal());
    if (known_noise) made.noise.push_back(0.1 * random.uniform());
  }
  return made;
}

/// Rows of theta: 3 lengthscales, signal variance, noise variance, mean, jitter.
const std::vector<double> kThetas = {-0.5, 0.1, 0.4, 0.2, -3.0, 0.3, 0.0,
                                     -1.5, 0.0, 0.0, 0.1, -2.0, 0.0, 1e-6};
constexpr std::int64_t kRows = 7;

std::vector<double> likelihoods(Backend& backend, const Sample& data, std::int64_t n) {
  const auto resident = backend.load(data.host(n));
  std::vector<double> out(2 * (kRows + 1));
  backend.mll_value_grad(*resident, ConstView{kThetas.data(), kRows, 2, kRows},
                         View{out.data(), kRows + 1, 2, kRows + 1});
  return out;
}

TEST(Lean, ALikelihoodAndItsGradientAreWhatTwoMatricesGive) {
  for (const std::int64_t n : {1, 17, 128, 161, 300, 517}) {
    for (const bool known_noise : {false, true}) {
      const Sample data = sample(n, 3, known_noise);
      const auto usual = make_cpu_backend({.threads = 2, .simd = ""});
      const std::vector<double> expected = likelihoods(*usual, data, n);
      std::vector<double> first;
      for (const int threads : {1, 2, 3}) {
        const auto backend = make_cpu_backend({.threads = threads, .simd = "", .lean_above = 0});
        const std::vector<double> found = likelihoods(*backend, data, n);
        for (std::size_t i = 0; i < found.size(); ++i) {
          EXPECT_NEAR(found[i], expected[i], 1e-11 * (1 + std::abs(expected[i]))) << n << " " << i;
        }
        if (first.empty()) first = found;
        EXPECT_EQ(first, found) << threads;
      }
    }
  }
}

TEST(Lean, APosteriorIsTheSame) {
  constexpr std::int64_t kN = 300;
  const Sample data = sample(kN, 3, false);
  std::vector<double> moments[2];
  for (const bool lean : {false, true}) {
    const auto backend = make_cpu_backend({.threads = 2, .simd = "", .lean_above = lean ? 0 : kLeanAbove});
    const auto resident = backend->load(data.host(kN));
    double info = -2;
    const auto model = backend->prepare(*resident, ConstView{kThetas.data(), kRows, 1, kRows}, &info);
    ASSERT_EQ(info, 0);
    const Sample places = sample(40, 3, false);
    moments[lean ? 1 : 0].resize(80);
    backend->posterior(*model, ConstView{places.columns.data(), 3, 40, 3}, 1,
                       View{moments[lean ? 1 : 0].data(), 2, 40, 2});
  }
  for (std::size_t i = 0; i < 80; ++i) EXPECT_NEAR(moments[0][i], moments[1][i], 1e-11) << i;
}

}  // namespace
}  // namespace krigon
