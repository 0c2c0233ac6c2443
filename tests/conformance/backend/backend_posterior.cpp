// Posteriors of covariances of several factors, and points that come and go.

#include "covariances.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

class BackendPosterior : public CovarianceConformance {};

TEST_P(BackendPosterior, JointMomentsAndTheirAdjoint) {
  std::vector<NamedSpec> all = covariance_specs();
  all.push_back({"plain", CovarianceSpec::matern52({0, 1, 1})});
  for (const NamedSpec& named : all) {
    const CovarianceSpec& spec = named.spec;
    SCOPED_TRACE(named.name);
    struct Shape {
      std::int64_t n, outputs, q, members;
    };
    for (const Shape& shape : {Shape{0, 1, 2, 3}, Shape{40, 1, 1, 7}, Shape{40, 1, 3, 5}, Shape{25, 2, 2, 4},
                               Shape{25, 4, 1, 3}, Shape{140, 1, 8, 9}}) {
      const std::int64_t n = shape.n, outputs = shape.outputs, q = shape.q, members = shape.members;
      if (n > 100 && std::string(named.name) != "plain") continue;
      const Problem p = problem(spec, n, n == 0 ? 1 : outputs, n == 40);
      const auto data = backend_->load(p.host());
      const Theta t = theta(spec);
      const auto model = prepared(*data, t);
      const auto x = random(static_cast<std::size_t>(members * q * kColumns), 0, 1);
      const std::int64_t rows = q * (p.outputs + q);
      const auto naive_all = [&](const std::vector<double>& at) {
        std::vector<double> values;
        for (std::int64_t j = 0; j < members; ++j) {
          const Moments m =
              naive_moments(p, t, {at.begin() + j * q * kColumns, at.begin() + (j + 1) * q * kColumns});
          values.insert(values.end(), m.mean.begin(), m.mean.end());
          values.insert(values.end(), m.covariance.begin(), m.covariance.end());
        }
        return values;
      };
      expect_near(moments(*model, x, q), naive_all(x), 1e-9);

      const Device at = points(x);
      const Device out = device(rows, members);
      backend_->posterior_for_vjp(*model, at, q, out);
      EXPECT_EQ(get(out), moments(*model, x, q)) << "the same bits either way";
      const Device adjoint = device(rows, members), dx = device(kColumns, members * q);
      const auto weight = random(static_cast<std::size_t>(rows * members));
      put(adjoint, weight);
      backend_->posterior_for_vjp(*model, at, q, out);
      backend_->posterior_vjp(*model, adjoint, dx);
      const auto gradient = get(dx);
      const std::size_t every = n == 140 ? 37 : 3;
      for (std::size_t i = 0; i < x.size(); i += every) {
        constexpr double kStep = 1e-6;
        auto up = x, down = x;
        up[i] += kStep;
        down[i] -= kStep;
        const auto high = naive_all(up), low = naive_all(down);
        double difference = 0;
        for (std::size_t e = 0; e < weight.size(); ++e)
          difference += weight[e] * (high[e] - low[e]) / (2 * kStep);
        EXPECT_NEAR(gradient[i], difference, 1e-6 * (1 + std::abs(difference)))
            << "n " << n << " q " << q << " " << i;
      }
    }
  }
}

TEST_P(BackendPosterior, PointsComeAndGoAsIfPreparedAnew) {
  std::vector<NamedSpec> all = covariance_specs();
  all.push_back({"plain", CovarianceSpec::matern52({0, 1, 1})});
  for (const NamedSpec& named : all) {
    const CovarianceSpec& spec = named.spec;
    SCOPED_TRACE(named.name);
    Problem p = problem(spec, 50, 2, true);
    const Theta t = theta(spec);
    const auto x = random(12 * kColumns, 0, 1);
    Problem first = p;
    first.n = 20;
    first.columns.resize(20 * kColumns);
    first.noise.resize(20);
    first.targets.clear();
    for (std::ptrdiff_t o = 0; o < 2; ++o) {
      first.targets.insert(first.targets.end(), p.targets.begin() + o * 50, p.targets.begin() + o * 50 + 20);
    }
    const auto data = backend_->load(first.host());
    const auto model = prepared(*data, t);
    const Device added = points({p.columns.begin() + 20 * kColumns, p.columns.end()});
    std::vector<double> new_targets;
    for (std::ptrdiff_t o = 0; o < 2; ++o) {
      new_targets.insert(new_targets.end(), p.targets.begin() + o * 50 + 20,
                         p.targets.begin() + (o + 1) * 50);
    }
    Buffer targets = backend_->allocate(60), noise = backend_->allocate(30);
    backend_->upload(new_targets, targets.data());
    backend_->upload(std::span(p.noise).subspan(20), noise.data());
    backend_->append(*model, added, targets.data(), noise.data());
    const auto whole_data = backend_->load(p.host());
    auto whole = prepared(*whole_data, t);
    expect_near(moments(*model, x, 2), moments(*whole, x, 2), 1e-9);

    for (const std::int64_t gone : {0, 48, 17, 30}) {
      backend_->remove(*model, gone);
      const auto at = static_cast<std::ptrdiff_t>(gone);
      p.columns.erase(p.columns.begin() + at * kColumns, p.columns.begin() + (at + 1) * kColumns);
      p.noise.erase(p.noise.begin() + at);
      p.targets.erase(p.targets.begin() + p.n + at);
      p.targets.erase(p.targets.begin() + at);
      --p.n;
      const auto rest = backend_->load(p.host());
      whole = prepared(*rest, t);
      EXPECT_EQ(model->n, p.n);
      expect_near(moments(*model, x, 2), moments(*whole, x, 2), 1e-9);
      const Device held = device(p.n, 2);
      backend_->targets(*model, held);
      EXPECT_EQ(get(held), p.targets);
    }
    // And on: a factor that shrank grows again.
    backend_->append(*model, points({x.begin(), x.begin() + 3}), nullptr, nullptr);
    EXPECT_THROW(backend_->remove(*model, 0), UsageError);
    backend_->truncate(*model, p.n);
    expect_near(moments(*model, x, 2), moments(*whole, x, 2), 1e-9);

    const Device alpha = device(p.n, 2), diagonal = device(p.n, 1);
    backend_->weights(*model, alpha, diagonal);
    const auto l = naive::lower_inverse(p.n, naive::cholesky(p.n, noisy_covariance(p, t)));
    const auto inverse = naive::multiply(true, false, p.n, p.n, p.n, l, l);
    std::vector<double> r = p.targets, expected;
    for (double& e : r) e -= t[static_cast<std::size_t>(layout_of(spec).mean())];
    for (std::int64_t i = 0; i < p.n; ++i) expected.push_back(inverse[static_cast<std::size_t>(i * p.n + i)]);
    expect_near(get(alpha), naive::multiply(false, false, p.n, 2, p.n, inverse, r), 1e-8);
    expect_near(get(diagonal), expected, 1e-8);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendPosterior, testing::ValuesIn(backend_instances()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace krigon
