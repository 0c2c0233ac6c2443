// Sample paths of covariances of several factors.

#include "covariances.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

class BackendPaths : public CovarianceConformance {};

TEST_P(BackendPaths, PathsPassThroughTheDataAndFollowTheirPriorFarFromIt) {
  const CovarianceSpec spec = {{{CovarianceKind::matern52, {0, 1, 2}, {0, 1, 2}, {}, 0},
                                {CovarianceKind::linear, {0, 1}, {3, 3}, {}, 1}}};
  for (const CovarianceSpec& s : {spec, CovarianceSpec::matern52({0, 1, 2})}) {
    Problem p = problem(s, 15);
    Theta t = theta(s);
    t[static_cast<std::size_t>(layout_of(s).noise())] = std::log(1e-10);
    const auto data = backend_->load(p.host());
    const auto model = prepared(*data, t);
    const std::int64_t f = s.features();
    constexpr std::int64_t kWaves = 40, kSamples = 6;
    const auto frequencies = random(static_cast<std::size_t>(f) * kWaves), phases = random(kWaves, 0, 6),
               amplitudes = random(kWaves, 0.1, 0.3), weights = random(kWaves * kSamples),
               linear = random(static_cast<std::size_t>(f) * kSamples);
    const std::vector<double> noise(15 * kSamples, 0.0);
    const auto paths = backend_->prepare_paths(
        *model, {kSamples, kWaves, frequencies, phases, amplitudes, weights, linear, noise});
    const auto at = [&](const std::vector<double>& rows) {
      const Device x = points(rows);
      const Device out = device(kSamples, x.view.columns);
      backend_->paths(*model, *paths, x, out);
      return get(out);
    };
    const auto values = at(p.columns);
    for (std::size_t i = 0; i < 15; ++i) {
      for (std::size_t k = 0; k < kSamples; ++k) EXPECT_NEAR(values[i * kSamples + k], p.targets[i], 1e-5);
    }
    // Elsewhere: prior + k' K^-1 (y - prior(X)), by hand.
    const auto x = random(4 * kColumns, 0, 1);
    const auto prior = [&](const double* point, std::size_t k) {
      std::vector<double> u;
      for (const CovarianceFactor& factor : s.factors) {
        for (std::size_t c = 0; c < factor.columns.size(); ++c) {
          u.push_back(point[factor.columns[c]] * std::exp(-t[static_cast<std::size_t>(factor.groups[c])]));
        }
      }
      double sum = 0;
      for (std::size_t r = 0; r < kWaves; ++r) {
        double angle = phases[r];
        for (std::size_t d = 0; d < u.size(); ++d) angle += frequencies[r * u.size() + d] * u[d];
        sum += weights[k * kWaves + r] * amplitudes[r] * std::cos(angle);
      }
      for (std::size_t d = 0; d < u.size(); ++d) sum += linear[k * u.size() + d] * u[d];
      return sum;
    };
    const auto found = at(x);
    for (std::size_t k = 0; k < kSamples; ++k) {
      Problem residual = p;
      for (std::size_t i = 0; i < 15; ++i) residual.targets[i] -= prior(&p.columns[i * kColumns], k);
      for (std::size_t j = 0; j < 4; ++j) {
        const Moments m = naive_moments(residual, t,
                                        {x.begin() + static_cast<std::ptrdiff_t>(j) * kColumns,
                                         x.begin() + static_cast<std::ptrdiff_t>(j + 1) * kColumns});
        EXPECT_NEAR(found[j * kSamples + k], m.mean[0] + prior(&x[j * kColumns], k), 1e-4);
      }
    }
  }
}

TEST_P(BackendPaths, OnePathIsAsAmongAllAndItsDerivativesAgreeWithDifferences) {
  using enum CovarianceKind;
  const CovarianceSpec spec = {{{matern52, {0, 1}, {0, 1}, {}, 0},
                                {periodic, {2}, {2}, {0}, 0},
                                {rbf, {1}, {4}, {}, 1},
                                {linear, {0, 2}, {3, 3}, {}, 2}}};
  for (const CovarianceSpec& s : {spec, CovarianceSpec::matern52({0, 1, 1})}) {
    const Problem p = problem(s, 12);
    const auto data = backend_->load(p.host());
    const auto model = prepared(*data, theta(s));
    const auto f = static_cast<std::size_t>(s.features());
    constexpr std::size_t kWaves = 30, kSamples = 3, kPoints = 5;
    const auto frequencies = random(f * kWaves), phases = random(kWaves, 0, 6),
               amplitudes = random(kWaves, 0.1, 0.3), weights = random(kWaves * kSamples),
               linear = random(s.terms() == 1 ? 0 : f * kSamples), noise = random(12 * kSamples);
    const auto paths = backend_->prepare_paths(
        *model, {kSamples, kWaves, frequencies, phases, amplitudes, weights, linear, noise});
    const auto rows = random(kPoints * kColumns, 0, 1);
    const Device x = points(rows), all = device(kSamples, kPoints);
    backend_->paths(*model, *paths, x, all);
    for (std::size_t k = 0; k < kSamples; ++k) {
      const auto at = [&](const std::vector<double>& where) {
        const Device moved = points(where), out = device(1, kPoints);
        backend_->path(*model, *paths, static_cast<std::int64_t>(k), moved, out, {});
        return get(out);
      };
      const Device out = device(1, kPoints), dx = device(kColumns, kPoints);
      backend_->path(*model, *paths, static_cast<std::int64_t>(k), x, out, dx);
      EXPECT_EQ(get(out), at(rows));
      const auto among = get(all), alone = get(out), slope = get(dx);
      for (std::size_t j = 0; j < kPoints; ++j) EXPECT_NEAR(alone[j], among[j * kSamples + k], 1e-11);
      for (std::size_t d = 0; d < kColumns; ++d) {
        constexpr double kStep = 1e-5;
        auto up = rows, down = rows;
        for (std::size_t j = 0; j < kPoints; ++j) {
          up[j * kColumns + d] += kStep;
          down[j * kColumns + d] -= kStep;
        }
        const auto high = at(up), low = at(down);
        for (std::size_t j = 0; j < kPoints; ++j) {
          const double difference = (high[j] - low[j]) / (2 * kStep);
          EXPECT_NEAR(slope[j * kColumns + d], difference, 1e-6 * (1 + std::abs(difference)))
              << k << " " << d;
        }
      }
    }
    const Device out = device(1, kPoints);
    EXPECT_THROW(backend_->path(*model, *paths, 3, x, out, {}), UsageError);
    EXPECT_THROW(backend_->path(*model, *paths, 0, x, all, {}), UsageError);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendPaths, testing::ValuesIn(backend_instances()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace krigon
