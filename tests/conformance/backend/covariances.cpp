#include "covariances.hpp"

#include <numbers>

namespace krigon {

std::vector<NamedSpec> covariance_specs() {
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

CovarianceConformance::Problem CovarianceConformance::problem(const CovarianceSpec& spec, std::int64_t n,
                                                              std::int64_t outputs, bool noisy) {
  Problem p{n,
            outputs,
            random(static_cast<std::size_t>(n * kColumns), 0, 1),
            random(static_cast<std::size_t>(n * outputs)),
            {},
            spec};
  if (noisy) p.noise = random(static_cast<std::size_t>(n), 0, 0.2);
  return p;
}

Theta CovarianceConformance::theta(const CovarianceSpec& spec, double jitter) {
  const ThetaLayout layout = layout_of(spec);
  Theta t = random(static_cast<std::size_t>(layout.rows()), -0.5, 0.3);
  t[static_cast<std::size_t>(layout.noise())] = -3;
  t[static_cast<std::size_t>(layout.jitter())] = jitter;
  return t;
}

CovarianceConformance::Device CovarianceConformance::column(const std::vector<double>& values) {
  Device d = device(static_cast<std::int64_t>(values.size()), 1);
  put(d, values);
  return d;
}
CovarianceConformance::Device CovarianceConformance::points(const std::vector<double>& rows) {
  Device d = device(kColumns, static_cast<std::int64_t>(rows.size()) / kColumns);
  put(d, rows);
  return d;
}

naive::Matrix CovarianceConformance::noisy_covariance(const Problem& p, const Theta& t) {
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

double CovarianceConformance::naive_likelihood(const Problem& p, const Theta& t) {
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

CovarianceConformance::Moments CovarianceConformance::naive_moments(const Problem& p, const Theta& t,
                                                                    const std::vector<double>& x) {
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

std::unique_ptr<ResidentPosterior> CovarianceConformance::prepared(ResidentData& data, const Theta& t) {
  const Buffer info = backend_->allocate(1);
  auto model = backend_->prepare(data, column(t), info.data());
  double status = 99;
  backend_->download(info.data(), {&status, 1});
  EXPECT_EQ(status, 0);
  return model;
}

std::vector<double> CovarianceConformance::moments(ResidentPosterior& model, const std::vector<double>& x,
                                                   std::int64_t q) {
  const Device at = points(x);
  const Device out = device(q * (model.outputs + q), at.view.columns / q);
  backend_->posterior(model, at, q, out);
  return get(out);
}

void CovarianceConformance::expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                                        double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], tolerance) << "entry " << i;
}

}  // namespace krigon
