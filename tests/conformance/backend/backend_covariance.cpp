// Covariances of several factors: features, Gram matrices, the likelihood.

#include "covariances.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

class BackendCovariance : public CovarianceConformance {};

TEST_P(BackendCovariance, GramOfFeaturesIsTheCovariance) {
  for (const NamedSpec& named : covariance_specs()) {
    const CovarianceSpec& spec = named.spec;
    SCOPED_TRACE(named.name);
    const auto covariance = backend_->load_covariance(spec);
    EXPECT_EQ(covariance->features, spec.features());
    for (const std::int64_t n : {0, 1, 5, 33, 70}) {
      const std::int64_t m = n == 0 ? 2 : n / 2 + 1;
      constexpr std::int64_t kBatch = 2;
      const auto hx = random(static_cast<std::size_t>(n * kColumns), -1, 2);  // one member for all
      const auto hz = random(static_cast<std::size_t>(m * kColumns * kBatch), -1, 2);
      const Device x = points(hx);
      const Device z = device(kColumns, m, kBatch);
      put(z, hz);
      const ThetaLayout layout = layout_of(spec);
      std::vector<double> flat;
      std::vector<Theta> thetas;
      for (std::int64_t b = 0; b < kBatch; ++b) {
        thetas.push_back(theta(spec));
        flat.insert(flat.end(), thetas.back().begin(), thetas.back().end());
      }
      const Device t = device(layout.rows(), kBatch);
      put(t, flat);
      const Device u = device(covariance->features, n, kBatch);
      const Device v = device(covariance->features, m, kBatch);
      const Device k = device(n, m, kBatch);
      backend_->features(*covariance, x, t, u);
      backend_->features(*covariance, z, t, v);
      backend_->gram(*covariance, u, v, t, k);
      std::vector<double> expected;
      for (std::int64_t b = 0; b < kBatch; ++b) {
        for (std::int64_t j = 0; j < m; ++j) {
          for (std::int64_t i = 0; i < n; ++i) {
            expected.push_back(naive_covariance(spec, thetas[static_cast<std::size_t>(b)],
                                                &hx[static_cast<std::size_t>(i * kColumns)],
                                                &hz[static_cast<std::size_t>((b * m + j) * kColumns)]));
          }
        }
      }
      expect_near(get(k), expected, 1e-12);
    }
  }
}

TEST_P(BackendCovariance, AdjointsOfGramAndFeaturesMatchDifferences) {
  for (const NamedSpec& named : covariance_specs()) {
    const CovarianceSpec& spec = named.spec;
    SCOPED_TRACE(named.name);
    const auto covariance = backend_->load_covariance(spec);
    const ThetaLayout layout = layout_of(spec);
    constexpr std::int64_t kN = 21;
    constexpr std::int64_t kM = 18;
    const auto hx = random(kN * kColumns, 0, 1);
    const auto hz = random(kM * kColumns, 0, 1);
    const auto change = random(kN * kM);
    const Theta t = theta(spec);
    const auto value = [&](const std::vector<double>& xs, const std::vector<double>& zs, const Theta& at) {
      double sum = 0;
      for (std::size_t j = 0; j < kM; ++j) {
        for (std::size_t i = 0; i < kN; ++i) {
          sum += change[j * kN + i] * naive_covariance(spec, at, &xs[i * kColumns], &zs[j * kColumns]);
        }
      }
      return sum;
    };
    const Device x = points(hx), z = points(hz), theta_column = column(t);
    const std::int64_t f = covariance->features;
    const Device u = device(f, kN), v = device(f, kM), du = device(f, kN), dv = device(f, kM),
                 dk = device(kN, kM);
    const Device dx = device(kColumns, kN), dz = device(kColumns, kM),
                 gradient = device(layout.parameters(), 1);
    put(dk, change);
    backend_->features(*covariance, x, theta_column, u);
    backend_->features(*covariance, z, theta_column, v);
    for (const Device* d : {&du, &dv, &dx, &dz, &gradient}) {
      put(*d, std::vector<double>(static_cast<std::size_t>(d->view.rows * d->view.columns), 0.25));
    }
    backend_->gram_vjp(*covariance, u, v, theta_column, dk, du, dv, gradient);
    backend_->add(-1, column({0.25}), 1, du);
    backend_->add(-1, column({0.25}), 1, dv);
    backend_->features_vjp(*covariance, x, theta_column, du, gradient, dx);
    backend_->features_vjp(*covariance, z, theta_column, dv, gradient, dz);
    constexpr double kStep = 1e-5;
    const auto check = [&](double found, auto&& move, const char* what, std::size_t i) {
      const double difference = (move(kStep) - move(-kStep)) / (2 * kStep);
      EXPECT_NEAR(found - 0.25, difference, 1e-7 * (1 + std::abs(difference))) << what << " " << i;
    };
    const auto by_theta = get(gradient), by_x = get(dx), by_z = get(dz);
    for (std::size_t i = 0; i < static_cast<std::size_t>(layout.noise()); ++i) {
      check(
          by_theta[i],
          [&](double h) {
            Theta moved = t;
            moved[i] += h;
            return value(hx, hz, moved);
          },
          "theta", i);
    }
    for (std::size_t i = 0; i < hx.size(); ++i) {
      check(
          by_x[i],
          [&](double h) {
            auto moved = hx;
            moved[i] += h;
            return value(moved, hz, t);
          },
          "x", i);
    }
    for (std::size_t i = 0; i < hz.size(); ++i) {
      check(
          by_z[i],
          [&](double h) {
            auto moved = hz;
            moved[i] += h;
            return value(hx, moved, t);
          },
          "z", i);
    }
  }
}

TEST_P(BackendCovariance, LikelihoodWithKnownNoiseAndSeveralOutputs) {
  std::vector<NamedSpec> all = covariance_specs();
  all.push_back({"plain", CovarianceSpec::matern52({0, 1, 1})});
  for (const NamedSpec& named : all) {
    const CovarianceSpec& spec = named.spec;
    SCOPED_TRACE(named.name);
    for (const std::int64_t outputs : {1, 3}) {
      for (const std::int64_t n : {1, 30, 140}) {
        // The plain loops are slow: many points only for what is fused.
        if (n > 100 && spec.factors.size() + static_cast<std::size_t>(outputs) > 2) continue;
        const Problem p = problem(spec, n, outputs, n != 30);
        const auto data = backend_->load(p.host());
        const Theta t = theta(spec, n == 30 ? 1e-3 : 0.0);
        const ThetaLayout layout = layout_of(spec);
        // A batch, among others: members keep to themselves.
        constexpr std::int64_t kMembers = 8;
        const Device thetas = device(layout.rows(), kMembers);
        std::vector<double> flat;
        for (std::int64_t b = 0; b < kMembers; b += 2) {
          for (const Theta& member : {theta(spec), t}) flat.insert(flat.end(), member.begin(), member.end());
        }
        put(thetas, flat);
        const Device out = device(layout.parameters() + 2, kMembers);
        backend_->mll_value_grad(*data, thetas, out);
        const auto members = get(out);
        const std::vector<double> found(members.end() - layout.parameters() - 2, members.end());
        EXPECT_EQ(found[0], 0);
        const double expected = naive_likelihood(p, t);
        EXPECT_NEAR(found[1], expected, 1e-9 * (1 + std::abs(expected)));
        for (std::size_t i = 0; i < static_cast<std::size_t>(layout.parameters()); ++i) {
          constexpr double kStep = 1e-5;
          Theta up = t, down = t;
          up[i] += kStep;
          down[i] -= kStep;
          const double difference = (naive_likelihood(p, up) - naive_likelihood(p, down)) / (2 * kStep);
          EXPECT_NEAR(found[2 + i], difference, 2e-6 * (1 + std::abs(difference) + std::abs(expected)))
              << "n " << n << " outputs " << outputs << " parameter " << i;
        }
      }
    }
  }
}

TEST_P(BackendCovariance, WrongSpecsAreRefused) {
  using enum CovarianceKind;
  const std::vector<CovarianceSpec> wrong = {
      {},
      {{{matern52, {}, {}, {}, 0}}},
      {{{matern52, {0, 1}, {0}, {}, 0}}},
      {{{matern52, {0}, {1}, {}, 0}}},
      {{{periodic, {0}, {0}, {}, 0}}},
      {{{matern52, {0}, {0}, {0}, 0}}},
      {{{matern52, {0}, {0}, {}, 1}}},
      {{{matern52, {-1}, {0}, {}, 0}}},
      {{{matern52, {0}, {-1}, {}, 0}}},
  };
  for (const CovarianceSpec& spec : wrong) EXPECT_THROW(backend_->load_covariance(spec), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendCovariance, testing::ValuesIn(backend_instances()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace krigon
