// Covariances of several factors: features, Gram matrices, and everything made of them.

#include <algorithm>
#include <numbers>

#include "backends.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using Theta = std::vector<double>;

struct NamedSpec {
  const char* name;
  CovarianceSpec spec;
};

std::vector<NamedSpec> specs() {
  using enum CovarianceKind;
  return {
      {"matern32", {{{matern32, {0, 1, 2}, {0, 1, 1}, {}, 0}}}},
      {"rbf", {{{rbf, {0, 1, 2}, {0, 1, 2}, {}, 0}}}},
      {"linear", {{{linear, {0, 1, 2}, {0, 1, 2}, {}, 0}}}},
      {"periodic", {{{periodic, {1, 2}, {0, 1}, {0, 0}, 0}}}},
      {"part", {{{matern52, {2, 0}, {1, 0}, {}, 0}}}},
      {"product", {{{matern52, {0, 1}, {0, 1}, {}, 0}, {rbf, {2}, {2}, {}, 0}}}},
      {"sum", {{{matern52, {0, 1, 2}, {0, 1, 2}, {}, 0}, {linear, {0, 1}, {3, 3}, {}, 1}}}},
      {"products of all kinds",
       {{{matern52, {0, 1}, {0, 1}, {}, 0},
         {periodic, {2}, {2}, {0}, 0},
         {linear, {1, 2}, {0, 3}, {}, 1},
         {matern32, {0}, {4}, {}, 1},
         {rbf, {0, 2}, {0, 2}, {}, 2}}}},
  };
}

ThetaLayout layout_of(const CovarianceSpec& spec) {
  return {spec.groups(), spec.periods(), spec.terms()};
}

/// By its definition.
double naive_covariance(const CovarianceSpec& spec, const Theta& theta, const double* x, const double* z) {
  const ThetaLayout layout = layout_of(spec);
  const auto at = [&](std::int64_t row) { return theta[static_cast<std::size_t>(row)]; };
  std::vector<double> product(static_cast<std::size_t>(layout.terms), 1.0);
  for (const CovarianceFactor& factor : spec.factors) {
    double r2 = 0;
    double s = 0;
    for (std::size_t c = 0; c < factor.columns.size(); ++c) {
      const double l = std::exp(at(factor.groups[c]));
      const double a = x[factor.columns[c]];
      const double b = z[factor.columns[c]];
      if (factor.kind == CovarianceKind::periodic) {
        const double sine =
            std::sin(std::numbers::pi * (a - b) / std::exp(at(layout.period() + factor.periods[c])));
        r2 += 4 * sine * sine / (l * l);
      } else {
        r2 += (a - b) * (a - b) / (l * l);
        s += a * b / (l * l);
      }
    }
    double value = s;
    switch (factor.kind) {
      case CovarianceKind::matern52:
        value = naive::matern52(r2);
        break;
      case CovarianceKind::matern32:
        value = (1 + std::sqrt(3 * r2)) * std::exp(-std::sqrt(3 * r2));
        break;
      case CovarianceKind::rbf:
      case CovarianceKind::periodic:
        value = std::exp(-r2 / 2);
        break;
      case CovarianceKind::linear:
        break;
    }
    product[static_cast<std::size_t>(factor.term)] *= value;
  }
  double sum = 0;
  for (std::int64_t t = 0; t < layout.terms; ++t) {
    sum += std::exp(at(layout.signal() + t)) * product[static_cast<std::size_t>(t)];
  }
  return sum;
}

class BackendCovariance : public BackendConformance {
 protected:
  static constexpr std::int64_t kColumns = 3;

  struct Problem {
    std::int64_t n;
    std::int64_t outputs = 1;
    std::vector<double> columns, targets, noise;
    CovarianceSpec spec;
    HostData host() const { return {n, columns, targets, noise, spec}; }
  };

  Problem problem(const CovarianceSpec& spec, std::int64_t n, std::int64_t outputs = 1, bool noisy = false) {
    Problem p{n,
              outputs,
              random(static_cast<std::size_t>(n * kColumns), 0, 1),
              random(static_cast<std::size_t>(n * outputs)),
              {},
              spec};
    if (noisy) p.noise = random(static_cast<std::size_t>(n), 0, 0.2);
    return p;
  }

  Theta theta(const CovarianceSpec& spec, double jitter = 0) {
    const ThetaLayout layout = layout_of(spec);
    Theta t = random(static_cast<std::size_t>(layout.rows()), -0.5, 0.3);
    t[static_cast<std::size_t>(layout.noise())] = -3;
    t[static_cast<std::size_t>(layout.jitter())] = jitter;
    return t;
  }

  Device column(const std::vector<double>& values) {
    Device d = device(static_cast<std::int64_t>(values.size()), 1);
    put(d, values);
    return d;
  }
  Device points(const std::vector<double>& rows) {
    Device d = device(kColumns, static_cast<std::int64_t>(rows.size()) / kColumns);
    put(d, rows);
    return d;
  }

  /// K with the noise, column-major.
  static naive::Matrix noisy_covariance(const Problem& p, const Theta& t) {
    const ThetaLayout layout = layout_of(p.spec);
    const auto at = [&](std::int64_t row) { return t[static_cast<std::size_t>(row)]; };
    double signal = 0;
    for (std::int64_t term = 0; term < layout.terms; ++term) signal += std::exp(at(layout.signal() + term));
    const double variance = std::exp(at(layout.noise()));
    naive::Matrix k(static_cast<std::size_t>(p.n * p.n));
    for (std::int64_t j = 0; j < p.n; ++j) {
      for (std::int64_t i = 0; i < p.n; ++i) {
        double& entry = k[static_cast<std::size_t>(j * p.n + i)];
        entry = naive_covariance(p.spec, t, &p.columns[static_cast<std::size_t>(i * kColumns)],
                                 &p.columns[static_cast<std::size_t>(j * kColumns)]);
        if (i == j) entry += variance + at(layout.jitter()) * (signal + variance);
        if (i == j && !p.noise.empty()) entry += p.noise[static_cast<std::size_t>(i)];
      }
    }
    return k;
  }

  static double naive_likelihood(const Problem& p, const Theta& t) {
    const auto l = naive::cholesky(p.n, noisy_covariance(p, t));
    const auto x = naive::lower_inverse(p.n, l);
    const double mean = t[static_cast<std::size_t>(layout_of(p.spec).mean())];
    double value = 0;
    for (std::int64_t o = 0; o < p.outputs; ++o) {
      std::vector<double> r(p.targets.begin() + o * p.n, p.targets.begin() + (o + 1) * p.n);
      for (double& e : r) e -= mean;
      const auto v = naive::multiply(false, false, p.n, 1, p.n, x, r);
      value -= 0.5 * static_cast<double>(p.n) * std::log(2 * std::numbers::pi);
      for (std::int64_t i = 0; i < p.n; ++i) {
        value -= 0.5 * v[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(i)] +
                 std::log(l[static_cast<std::size_t>(i * p.n + i)]);
      }
    }
    return value;
  }

  struct Moments {
    std::vector<double> mean;        ///< q x T
    std::vector<double> covariance;  ///< q x q
  };
  /// Of one group of points (rows).
  static Moments naive_moments(const Problem& p, const Theta& t, const std::vector<double>& x) {
    const auto q = static_cast<std::int64_t>(x.size()) / kColumns;
    const auto inverse = naive::lower_inverse(p.n, naive::cholesky(p.n, noisy_covariance(p, t)));
    naive::Matrix cross(static_cast<std::size_t>(p.n * q)), prior(static_cast<std::size_t>(q * q));
    const auto row = [&](const std::vector<double>& rows, std::int64_t i) {
      return &rows[static_cast<std::size_t>(i * kColumns)];
    };
    for (std::int64_t j = 0; j < q; ++j) {
      for (std::int64_t i = 0; i < p.n; ++i) {
        cross[static_cast<std::size_t>(j * p.n + i)] =
            naive_covariance(p.spec, t, row(p.columns, i), row(x, j));
      }
      for (std::int64_t i = 0; i < q; ++i) {
        prior[static_cast<std::size_t>(j * q + i)] = naive_covariance(p.spec, t, row(x, i), row(x, j));
      }
    }
    const double c = t[static_cast<std::size_t>(layout_of(p.spec).mean())];
    const auto v = naive::multiply(false, false, p.n, q, p.n, inverse, cross);
    std::vector<double> r = p.targets;
    for (double& e : r) e -= c;
    const auto w = naive::multiply(false, false, p.n, p.outputs, p.n, inverse, r);
    Moments m{naive::multiply(true, false, q, p.outputs, p.n, v, w),
              naive::multiply(true, false, q, q, p.n, v, v)};
    for (double& e : m.mean) e += c;
    for (std::size_t i = 0; i < prior.size(); ++i) m.covariance[i] = prior[i] - m.covariance[i];
    return m;
  }

  std::unique_ptr<ResidentPosterior> prepared(ResidentData& data, const Theta& t) {
    const Buffer info = backend_->allocate(1);
    auto model = backend_->prepare(data, column(t), info.data());
    double status = 99;
    backend_->download(info.data(), {&status, 1});
    EXPECT_EQ(status, 0);
    return model;
  }

  std::vector<double> moments(ResidentPosterior& model, const std::vector<double>& x, std::int64_t q) {
    const Device at = points(x);
    const Device out = device(q * (model.outputs + q), at.view.columns / q);
    backend_->posterior(model, at, q, out);
    return get(out);
  }

  void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double tolerance) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], tolerance) << "entry " << i;
  }
};

TEST_P(BackendCovariance, GramOfFeaturesIsTheCovariance) {
  for (const NamedSpec& named : specs()) {
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
  for (const NamedSpec& named : specs()) {
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
  std::vector<NamedSpec> all = specs();
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

TEST_P(BackendCovariance, JointMomentsAndTheirAdjoint) {
  std::vector<NamedSpec> all = specs();
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

TEST_P(BackendCovariance, PointsComeAndGoAsIfPreparedAnew) {
  std::vector<NamedSpec> all = specs();
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

TEST_P(BackendCovariance, PathsPassThroughTheDataAndFollowTheirPriorFarFromIt) {
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

TEST_P(BackendCovariance, OnePathIsAsAmongAllAndItsDerivativesAgreeWithDifferences) {
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
