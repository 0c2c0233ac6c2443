#include <algorithm>
#include <numbers>

#include "backends.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

struct Problem {
  std::int64_t n;
  std::vector<std::int32_t> groups;
  std::vector<double> columns;
  std::vector<double> targets;
  std::int64_t dims() const { return static_cast<std::int64_t>(groups.size()); }
  HostData host() const { return {n, columns, targets, {}, CovarianceSpec::matern52(groups)}; }
};

/// One problem's hyperparameters with the jitter at the end.
using Theta = std::vector<double>;

struct Naive {
  naive::Matrix k;  ///< without the diagonal
  naive::Matrix l;
  std::vector<double> alpha;
  double likelihood;
};

std::vector<double> scaled(const Problem& p, const std::vector<double>& points, const Theta& theta) {
  std::vector<double> out = points;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] *= std::exp(-theta[static_cast<std::size_t>(p.groups[i % p.groups.size()])]);
  }
  return out;
}

Naive naive_process(const Problem& p, const Theta& theta) {
  const std::size_t groups = theta.size() - 4;
  const double s2 = std::exp(theta[groups]);
  const double t2 = std::exp(theta[groups + 1]);
  Naive out;
  out.k = naive::covariance(p.n, scaled(p, p.columns, theta), p.dims(), 0);
  naive::Matrix a = out.k;
  for (double& e : a) e *= s2;
  for (std::int64_t i = 0; i < p.n; ++i) {
    a[static_cast<std::size_t>(i * p.n + i)] += t2 + theta[groups + 3] * (s2 + t2);
  }
  out.l = naive::cholesky(p.n, a);
  const auto x = naive::lower_inverse(p.n, out.l);
  std::vector<double> r = p.targets;
  for (double& e : r) e -= theta[groups + 2];
  const auto v = naive::multiply(false, false, p.n, 1, p.n, x, r);
  out.alpha = naive::multiply(true, false, p.n, 1, p.n, x, v);
  out.likelihood = -0.5 * static_cast<double>(p.n) * std::log(2 * std::numbers::pi);
  for (std::int64_t i = 0; i < p.n; ++i) {
    out.likelihood -= 0.5 * v[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(i)] +
                      std::log(out.l[static_cast<std::size_t>(i * p.n + i)]);
  }
  return out;
}

class BackendCoarse : public BackendConformance {
 protected:
  Problem problem(std::int64_t n, std::vector<std::int32_t> groups) {
    Problem p{n, std::move(groups), {}, {}};
    p.columns = random(static_cast<std::size_t>(n) * p.groups.size(), 0, 1);
    p.targets = random(static_cast<std::size_t>(n));
    return p;
  }

  /// A column of `out` per theta.
  std::vector<std::vector<double>> likelihoods(ResidentData& data, const std::vector<Theta>& thetas) {
    const auto rows = static_cast<std::int64_t>(thetas.empty() ? data.layout.rows() : thetas[0].size());
    const auto count = static_cast<std::int64_t>(thetas.size());
    const Device theta = device(rows, count);
    std::vector<double> flat;
    for (const Theta& t : thetas) flat.insert(flat.end(), t.begin(), t.end());
    put(theta, flat);
    const Device out = device(rows + 1, count);
    backend_->mll_value_grad(data, theta, out);
    const auto dense = get(out);
    std::vector<std::vector<double>> columns;
    for (std::int64_t b = 0; b < count; ++b) {
      columns.emplace_back(dense.begin() + b * (rows + 1), dense.begin() + (b + 1) * (rows + 1));
    }
    return columns;
  }

  std::unique_ptr<ResidentPosterior> prepared(ResidentData& data, const Theta& theta,
                                              double expected_info = 0) {
    const Device t = device(static_cast<std::int64_t>(theta.size()), 1);
    put(t, theta);
    const Buffer info = backend_->allocate(1);
    auto model = backend_->prepare(data, t, info.data());
    double status = 99;
    backend_->download(info.data(), {&status, 1});
    EXPECT_EQ(status, expected_info);
    return model;
  }

  std::vector<double> posterior(ResidentPosterior& model, const std::vector<double>& x) {
    const std::int64_t m = static_cast<std::int64_t>(x.size()) / model.columns;
    const Device points = device(model.columns, m);
    put(points, x);
    const Device out = device(2, m);
    backend_->posterior(model, points, 1, out);
    return get(out);
  }

  Theta theta3_ = {-0.4, 0.1, 0.3, 0.2, -3.0, 0.15, 0.0};
};

TEST_P(BackendCoarse, LikelihoodAgreesWithPlainLoopsAndItsGradientWithDifferences) {
  for (const std::int64_t n : {1, 2, 17, 64, 129, 200}) {
    const Problem p = problem(n, {0, 1, 1, 2});
    const auto data = backend_->load(p.host());
    for (const double jitter : {0.0, 1e-3}) {
      Theta theta = theta3_;
      theta.back() = jitter;
      const auto out = likelihoods(*data, {theta}).front();
      EXPECT_EQ(out[0], 0);
      EXPECT_NEAR(out[1], naive_process(p, theta).likelihood, 1e-9 * static_cast<double>(n));
      for (std::size_t i = 0; i + 1 < theta.size(); ++i) {
        constexpr double kStep = 1e-5;
        Theta up = theta;
        Theta down = theta;
        up[i] += kStep;
        down[i] -= kStep;
        const double difference =
            (naive_process(p, up).likelihood - naive_process(p, down).likelihood) / (2 * kStep);
        EXPECT_NEAR(out[2 + i], difference, 1e-5 * (1 + std::abs(difference)))
            << "n " << n << " parameter " << i;
      }
    }
  }
}

TEST_P(BackendCoarse, LikelihoodOfABatchIsThatOfOneByOne) {
  for (const std::int64_t n : {1, 2, 5, 30, 99, 128, 150, 200}) {
    const Problem p = problem(n, {0, 2, 1, 2});
    const auto data = backend_->load(p.host());
    std::vector<Theta> thetas;
    for (int b = 0; b < (n < 100 ? 19 : 7); ++b) {
      thetas.push_back(theta3_);
      thetas.back()[static_cast<std::size_t>(b) % 4] += 0.1 * b;
    }
    const auto together = likelihoods(*data, thetas);
    for (std::size_t b = 0; b < thetas.size(); ++b) {
      const auto alone = likelihoods(*data, {thetas[b]}).front();
      EXPECT_EQ(together[b][0], 0);
      for (std::size_t i = 1; i < alone.size(); ++i) {
        EXPECT_NEAR(together[b][i], alone[i], 1e-11 * (static_cast<double>(n) + std::abs(alone[i])))
            << "n " << n << " member " << b << " entry " << i;
      }
    }
    EXPECT_EQ(likelihoods(*data, thetas), together) << "the same bits every time";
  }
}

TEST_P(BackendCoarse, LikelihoodFailsOnlyWhereItMust) {
  Problem p = problem(40, {0, 1, 2});
  std::copy_n(p.columns.begin(), 60, p.columns.begin() + 60);  // every point twice
  const auto data = backend_->load(p.host());
  Theta singular = theta3_;
  singular[4] = -800;
  Theta huge = theta3_;
  huge[0] = -1000;
  Theta rescued = singular;
  rescued.back() = 1e-6;
  for (const int copies : {1, 4}) {
    std::vector<Theta> some, fine;
    for (int copy = 0; copy < copies; ++copy) {
      some.insert(some.end(), {theta3_, singular, rescued, huge, theta3_});
      fine.insert(fine.end(), {theta3_, theta3_, rescued, theta3_, theta3_});
    }
    const auto out = likelihoods(*data, some);
    const auto unharmed = likelihoods(*data, fine);
    for (std::size_t first = 0; first < out.size(); first += 5) {
      EXPECT_EQ(out[first][0], 0);
      EXPECT_GT(out[first + 1][0], 0);
      EXPECT_LE(out[first + 1][0], 40);
      EXPECT_TRUE(std::isnan(out[first + 1][1]) && std::isnan(out[first + 1].back()));
      EXPECT_EQ(out[first + 2][0], 0);
      EXPECT_NE(out[first + 3][0], 0);
      for (const std::size_t member : {first, first + 2, first + 4}) {
        EXPECT_EQ(out[member], unharmed[member]) << "the failing ones leave its bits alone";
      }
    }
  }
}

TEST_P(BackendCoarse, LikelihoodOfNothingIsZeroAndAnEmptyBatchIsFine) {
  const Problem none = problem(0, {0, 1, 2});
  const auto data = backend_->load(none.host());
  EXPECT_EQ(likelihoods(*data, {theta3_}).front(), std::vector<double>(8, 0.0));
  const Problem some = problem(5, {0, 1, 2});
  const auto five = backend_->load(some.host());
  EXPECT_TRUE(likelihoods(*five, {}).empty());
}

TEST_P(BackendCoarse, NotANumberInTheDataIsAnInfo) {
  Problem p = problem(150, {0, 1, 2});
  p.columns[100] = std::nan("");
  auto data = backend_->load(p.host());
  EXPECT_EQ(likelihoods(*data, {theta3_}).front()[0], -1);
  prepared(*data, theta3_, -1);
  p = problem(50, {0, 1, 2});
  p.columns[100] = std::nan("");
  data = backend_->load(p.host());
  for (const auto& member : likelihoods(*data, std::vector<Theta>(9, theta3_))) EXPECT_EQ(member[0], -1);
  p = problem(10, {0, 1, 2});
  p.targets[4] = std::numeric_limits<double>::infinity();
  data = backend_->load(p.host());
  EXPECT_EQ(likelihoods(*data, {theta3_}).front()[0], -1);
  prepared(*data, theta3_, -1);
  p = problem(50, {0, 1, 2});
  p.columns[100] = std::nan("");
  data = backend_->load(p.host());
  for (const auto& member : likelihoods(*data, std::vector<Theta>(9, theta3_))) EXPECT_EQ(member[0], -1);
}

TEST_P(BackendCoarse, PosteriorAgreesWithPlainLoops) {
  for (const std::int64_t n : {0, 1, 3, 50, 131, 200}) {
    const Problem p = problem(n, {0, 1, 1, 2});
    const auto data = backend_->load(p.host());
    const auto model = prepared(*data, theta3_);
    const Naive reference = naive_process(p, theta3_);
    const auto xs = scaled(p, p.columns, theta3_);
    const double s2 = std::exp(theta3_[3]);
    for (const std::int64_t m : {0, 1, 3, 9, 47, 101}) {
      const auto x = random(static_cast<std::size_t>(m * p.dims()), -0.2, 1.2);
      const auto found = posterior(*model, x);
      const auto zs = scaled(p, x, theta3_);
      for (std::int64_t j = 0; j < m; ++j) {
        std::vector<double> k;
        for (std::int64_t i = 0; i < n; ++i) {
          double r2 = 0;
          for (std::int64_t d = 0; d < p.dims(); ++d) {
            const double difference = xs[static_cast<std::size_t>(i * p.dims() + d)] -
                                      zs[static_cast<std::size_t>(j * p.dims() + d)];
            r2 += difference * difference;
          }
          k.push_back(s2 * naive::matern52(r2));
        }
        double mean = theta3_[5];
        for (std::size_t i = 0; i < k.size(); ++i) mean += k[i] * reference.alpha[i];
        const auto v = naive::multiply(false, false, n, 1, n, naive::lower_inverse(n, reference.l), k);
        double variance = s2;
        for (const double e : v) variance -= e * e;
        EXPECT_NEAR(found[static_cast<std::size_t>(2 * j)], mean, 1e-10);
        EXPECT_NEAR(found[static_cast<std::size_t>(2 * j + 1)], variance, 1e-10);
      }
    }
  }
}

TEST_P(BackendCoarse, PosteriorVjpMatchesDifferencesAndMayBeAskedTwice) {
  for (const std::int64_t n : {1, 20, 170}) {
    const Problem p = problem(n, {0, 1, 1, 2});
    const auto data = backend_->load(p.host());
    const auto model = prepared(*data, theta3_);
    for (const std::int64_t m : {1, 13}) {
      const auto x = random(static_cast<std::size_t>(4 * m), 0, 1);
      const Device points = device(4, m);
      put(points, x);
      const Device out = device(2, m);
      backend_->posterior_for_vjp(*model, points, 1, out);
      EXPECT_EQ(get(out), posterior(*model, x)) << "the same bits either way";
      const auto weights = random(static_cast<std::size_t>(2 * m));
      const Device adjoint = device(2, m);
      put(adjoint, weights);
      const Device dx = device(4, m);
      backend_->posterior_vjp(*model, adjoint, dx);
      const auto gradient = get(dx);
      backend_->posterior_vjp(*model, adjoint, dx);
      EXPECT_EQ(get(dx), gradient);
      for (std::size_t i = 0; i < x.size(); ++i) {
        constexpr double kStep = 1e-6;
        auto up = x;
        auto down = x;
        up[i] += kStep;
        down[i] -= kStep;
        const auto high = posterior(*model, up);
        const auto low = posterior(*model, down);
        const std::size_t j = i / 4;
        double difference = 0;
        for (const std::size_t part : {2 * j, 2 * j + 1}) {
          difference += weights[part] * (high[part] - low[part]) / (2 * kStep);
        }
        EXPECT_NEAR(gradient[i], difference, 1e-7 * (1 + std::abs(difference))) << n << " " << m << " " << i;
      }
    }
  }
}

TEST_P(BackendCoarse, AppendingInAnyPortionsEqualsPreparingAll) {
  const Problem all = problem(190, {0, 1, 2});
  const auto all_data = backend_->load(all.host());
  const auto whole = prepared(*all_data, theta3_);
  const auto x = random(3 * 25, 0, 1);
  const auto expected = posterior(*whole, x);
  for (const std::int64_t from : {0, 1, 100, 189}) {
    Problem first = all;
    first.n = from;
    first.columns.resize(static_cast<std::size_t>(3 * from));
    first.targets.resize(static_cast<std::size_t>(from));
    const auto data = backend_->load(first.host());
    const auto model = prepared(*data, theta3_);
    for (std::int64_t next = from; next < 190;) {
      const std::int64_t count = std::min<std::int64_t>(190 - next, 1 + next % 60);
      const Device points = device(3, count);
      put(points, {all.columns.begin() + 3 * next, all.columns.begin() + 3 * (next + count)});
      const Buffer targets = backend_->allocate(static_cast<std::size_t>(count));
      backend_->upload(
          std::span(all.targets).subspan(static_cast<std::size_t>(next), static_cast<std::size_t>(count)),
          targets.data());
      backend_->append(*model, points, targets.data(), nullptr);
      next += count;
    }
    EXPECT_EQ(model->n, 190);
    const auto found = posterior(*model, x);
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-10) << from;
    const Device targets = device(190, 1);
    backend_->targets(*model, targets);
    EXPECT_EQ(get(targets), all.targets);
  }
}

TEST_P(BackendCoarse, FantasiesKeepTheMeanAndTruncateTakesThemOff) {
  const Problem p = problem(60, {0, 1, 2});
  const auto data = backend_->load(p.host());
  const auto model = prepared(*data, theta3_);
  const auto x = random(3 * 20, 0, 1);
  const auto before = posterior(*model, x);
  const Device points = device(3, 30);
  put(points, random(3 * 30, 0, 1));
  backend_->append(*model, points, nullptr, nullptr);
  const auto after = posterior(*model, x);
  for (std::size_t j = 0; j < 20; ++j) {
    EXPECT_NEAR(after[2 * j], before[2 * j], 1e-12);
    EXPECT_LE(after[2 * j + 1], before[2 * j + 1] + 1e-14);
  }
  EXPECT_THROW(backend_->truncate(*model, 59), UsageError);
  EXPECT_THROW(backend_->truncate(*model, 91), UsageError);
  backend_->truncate(*model, 60);
  EXPECT_EQ(posterior(*model, x), before);
}

TEST_P(BackendCoarse, MisfitShapesAreRefused) {
  const Problem p = problem(5, {0, 1, 2});
  const auto data = backend_->load(p.host());
  const auto model = prepared(*data, theta3_);
  const Device wrong = device(4, 2);
  const Device out = device(2, 2);
  EXPECT_THROW(backend_->posterior(*model, wrong, 1, out), UsageError);
  EXPECT_THROW(backend_->append(*model, wrong, nullptr, nullptr), UsageError);
  EXPECT_THROW(backend_->mll_value_grad(*data, wrong, out), UsageError);
  EXPECT_THROW(backend_->posterior_vjp(*model, out, wrong), UsageError);
  HostData host = p.host();
  host.n = 4;
  EXPECT_THROW(backend_->load(host), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendCoarse, testing::ValuesIn(backend_instances()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace krigon
