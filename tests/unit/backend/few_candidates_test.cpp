#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"

namespace krigon {
namespace {

constexpr std::int64_t kDims = 3;
/// 3 lengthscales, signal variance, noise variance, mean, jitter.
const std::vector<double> kTheta = {-0.5, 0.1, 0.4, 0.2, -3.0, 0.3, 0.0};

std::vector<double> numbers(std::int64_t count, std::uint64_t stream, double from, double to) {
  Random random(1, stream, Purpose::candidates);
  std::vector<double> made;
  for (std::int64_t i = 0; i < count; ++i) made.push_back(from + (to - from) * random.uniform());
  return made;
}

struct Found {
  std::vector<double> plain, moments, dx;
};

/// Mean and variance of m candidates, without and with what their derivatives need, and these.
Found evaluate(const CpuOptions& options, std::int64_t n, std::int64_t m) {
  const auto backend = make_cpu_backend(options);
  const auto columns = numbers(n * kDims, 7, 0, 1), targets = numbers(n, 8, -1, 1);
  const auto x = numbers(m * kDims, 9, -0.1, 1.1), adjoint = numbers(2 * m, 10, -1, 1);
  const auto resident = backend->load({n, columns, targets, {}, CovarianceSpec::matern52({0, 1, 2})});
  double info = -2;
  const auto model = backend->prepare(*resident, ConstView{kTheta.data(), 7, 1, 7}, &info);
  EXPECT_EQ(info, 0);
  Found found{std::vector<double>(static_cast<std::size_t>(2 * m)),
              std::vector<double>(static_cast<std::size_t>(2 * m)),
              std::vector<double>(static_cast<std::size_t>(kDims * m))};
  const ConstView points{x.data(), kDims, m, kDims};
  backend->posterior(*model, points, 1, View{found.plain.data(), 2, m, 2});
  backend->posterior_for_vjp(*model, points, 1, View{found.moments.data(), 2, m, 2});
  backend->posterior_vjp(*model, ConstView{adjoint.data(), 2, m, 2}, View{found.dx.data(), kDims, m, kDims});
  return found;
}

// Few candidates of many points take their own way through L^-1 (cpu_few.cpp); the composition of primitives
// knows none.
TEST(FewCandidates, AreWhatThePrimitivesMakeOfThemOnAnyNumberOfThreads) {
  for (const std::int64_t n : {511, 512, 523, 801}) {
    for (const std::int64_t m : {1, 2, 7, 20, 33, 40, 41}) {
      const Found expected = evaluate({.threads = 2, .simd = "", .fused = false}, n, m);
      for (const std::string& simd : cpu_simd_choices()) {
        const Found found = evaluate({.threads = 1, .simd = simd}, n, m);
        for (std::size_t i = 0; i < expected.moments.size(); ++i) {
          EXPECT_NEAR(found.plain[i], expected.plain[i], 1e-10)
              << simd << " n " << n << " m " << m << " " << i;
          EXPECT_NEAR(found.moments[i], expected.moments[i], 1e-10) << simd << " n " << n << " m " << m;
        }
        for (std::size_t i = 0; i < expected.dx.size(); ++i) {
          EXPECT_NEAR(found.dx[i], expected.dx[i], 1e-9 * (1 + std::abs(expected.dx[i])))
              << simd << " n " << n << " m " << m << " " << i;
        }
        const Found again = evaluate({.threads = 3, .simd = simd}, n, m);
        EXPECT_EQ(found.plain, again.plain);
        EXPECT_EQ(found.moments, again.moments);
        EXPECT_EQ(found.dx, again.dx);
      }
    }
  }
}

}  // namespace
}  // namespace krigon
