#include "optim/lbfgsb.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using Point = std::span<const double>;
using testing::DoubleNear;
using testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One function of value and gradient as an objective over all running starts.
BatchObjective each(std::function<double(Point x, std::span<double> g)> function) {
  return [function = std::move(function)](std::span<const std::size_t> starts, Point x,
                                          std::span<double> value, std::span<double> gradient) {
    const std::size_t n = x.size() / starts.size();
    for (std::size_t r = 0; r < starts.size(); ++r) {
      value[r] = function(x.subspan(r * n, n), gradient.subspan(r * n, n));
    }
  };
}

double rosenbrock(Point x, std::span<double> g) {
  double value = 0;
  std::fill(g.begin(), g.end(), 0.0);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i];
    const double b = 1 - x[i];
    value += 100 * a * a + b * b;
    g[i] += -400 * a * x[i] - 2 * b;
    g[i + 1] += 200 * a;
  }
  return value;
}

LbfgsbResult minimise(const BatchObjective& f, const std::vector<double>& x0, double lower, double upper,
                      const LbfgsbOptions& options = {}) {
  return minimise_lbfgsb(f, x0.size(), x0, std::vector<double>(x0.size(), lower),
                         std::vector<double>(x0.size(), upper), options)
      .front();
}

TEST(Lbfgsb, RosenbrockInsideTheBox) {
  for (const std::size_t n : {std::size_t{2}, std::size_t{10}, std::size_t{50}}) {
    std::vector<double> x0(n, -1.2);
    const LbfgsbResult r = minimise(each(rosenbrock), x0, -5, 5, {.max_iterations = 500, .tolerance = 1e-9});
    EXPECT_EQ(r.status, LbfgsbStatus::converged) << n;
    EXPECT_LT(r.iterations, n == 50 ? 400 : 120);
    if (n == 2) {
      EXPECT_THAT(r.x, testing::Each(DoubleNear(1, 1e-7)));
    }
    EXPECT_LE(r.projected_gradient, 1e-9);
  }
}

TEST(Lbfgsb, RosenbrockWithTheMinimumCutOff) {
  // x0 <= 0.5: the minimum is at (0.5, 0.25).
  const std::vector<double> lower = {-2, -2};
  const std::vector<double> upper = {0.5, 2};
  const auto r = minimise_lbfgsb(each(rosenbrock), 2, std::vector<double>{-1.9, 1.9}, lower, upper,
                                 {.tolerance = 1e-10});
  EXPECT_EQ(r[0].status, LbfgsbStatus::converged);
  EXPECT_EQ(r[0].x[0], 0.5);
  EXPECT_NEAR(r[0].x[1], 0.25, 1e-10);
}

/// min 1/2 (x - t)' A (x - t) in [0, 1]^n by projected gradient descent with many small steps.
std::vector<double> bounded_quadratic_minimum(const std::vector<std::vector<double>>& a,
                                              const std::vector<double>& t, double norm) {
  const std::size_t n = t.size();
  std::vector<double> x(n, 0.5);
  for (int step = 0; step < 200000; ++step) {
    std::vector<double> g(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) g[i] += a[i][j] * (x[j] - t[j]);
    }
    for (std::size_t i = 0; i < n; ++i) x[i] = std::clamp(x[i] - g[i] / norm, 0.0, 1.0);
  }
  return x;
}

TEST(Lbfgsb, QuadraticsWhoseMinimumLiesOnFacesEdgesAndCorners) {
  Random random(2, 0, Purpose::candidates);
  for (int problem = 0; problem < 6; ++problem) {
    constexpr std::size_t kN = 8;
    std::vector<std::vector<double>> a(kN, std::vector<double>(kN));
    std::vector<double> t(kN);
    double norm = 0;
    for (int k = 0; k < 12; ++k) {
      std::vector<double> v(kN);
      for (double& e : v) e = random.normal();
      for (std::size_t i = 0; i < kN; ++i) {
        for (std::size_t j = 0; j < kN; ++j) a[i][j] += v[i] * v[j];
      }
    }
    for (std::size_t i = 0; i < kN; ++i) norm += a[i][i];
    for (double& e : t) e = 0.5 + 1.2 * random.normal();
    const auto objective = each([&](Point x, std::span<double> g) {
      double value = 0;
      for (std::size_t i = 0; i < kN; ++i) {
        g[i] = 0;
        for (std::size_t j = 0; j < kN; ++j) g[i] += a[i][j] * (x[j] - t[j]);
        value += 0.5 * g[i] * (x[i] - t[i]);
      }
      return value;
    });
    const LbfgsbResult r = minimise(objective, std::vector<double>(kN, 0.5), 0, 1, {.tolerance = 1e-10});
    EXPECT_EQ(r.status, LbfgsbStatus::converged);
    const auto expected = bounded_quadratic_minimum(a, t, norm);
    EXPECT_THAT(r.x, testing::Pointwise(DoubleNear(1e-7), expected));
    int on_bounds = 0;
    for (std::size_t i = 0; i < kN; ++i) on_bounds += r.x[i] == 0 || r.x[i] == 1;
    EXPECT_GT(on_bounds, 0) << "the problem does not test bounds";
  }
}

TEST(Lbfgsb, LinearFunctionEndsInTheCorner) {
  const auto objective = each([](Point x, std::span<double> g) {
    g[0] = 1, g[1] = -2, g[2] = 0;
    return x[0] - 2 * x[1];
  });
  const LbfgsbResult r = minimise(objective, {0.3, 0.4, 0.6}, 0, 1);
  EXPECT_EQ(r.status, LbfgsbStatus::converged);
  EXPECT_THAT(r.x, ElementsAre(0, 1, 0.6));
}

TEST(Lbfgsb, ConstantFunctionEndsWhereItBegan) {
  const auto objective = each([](Point, std::span<double> g) {
    std::fill(g.begin(), g.end(), 0.0);
    return 4.0;
  });
  const LbfgsbResult r = minimise(objective, {0.3, 2.0}, 0, 1);
  EXPECT_EQ(r.status, LbfgsbStatus::converged);
  EXPECT_EQ(r.evaluations, 1);
  EXPECT_THAT(r.x, ElementsAre(0.3, 1));  // moved into the bounds
}

TEST(Lbfgsb, EqualBoundsFixAVariable) {
  const std::vector<double> lower = {-2, 0.7, -2};
  const std::vector<double> upper = {2, 0.7, 2};
  const auto r =
      minimise_lbfgsb(each(rosenbrock), 3, std::vector<double>{0, 0, 0}, lower, upper, {.tolerance = 1e-9});
  EXPECT_EQ(r[0].status, LbfgsbStatus::converged);
  EXPECT_EQ(r[0].x[1], 0.7);
  EXPECT_NEAR(r[0].x[2], 0.49, 1e-9);
}

TEST(Lbfgsb, WorksWithoutBounds) {
  const LbfgsbResult r = minimise(each(rosenbrock), {-1.2, 1}, -kInfinity, kInfinity, {.tolerance = 1e-9});
  EXPECT_EQ(r.status, LbfgsbStatus::converged);
  EXPECT_THAT(r.x, testing::Each(DoubleNear(1, 1e-7)));
}

TEST(Lbfgsb, BacksAwayFromWhereTheObjectiveIsNotFinite) {
  // ln x is undefined below 0; the first step, of length 1, would go there.
  const auto objective = each([](Point x, std::span<double> g) {
    g[0] = 1 - 0.1 / x[0];
    return x[0] > 0 ? x[0] - 0.1 * std::log(x[0]) : std::nan("");
  });
  const LbfgsbResult r = minimise(objective, {0.9}, -10, 10, {.tolerance = 1e-8});
  EXPECT_EQ(r.status, LbfgsbStatus::converged);
  EXPECT_NEAR(r.x[0], 0.1, 1e-7);
}

TEST(Lbfgsb, SaysWhenTheStartIsNotFinite) {
  for (const double bad : {std::nan(""), kInfinity, -kInfinity}) {
    const auto objective = each([&](Point, std::span<double> g) {
      g[0] = 1;
      return bad;
    });
    EXPECT_EQ(minimise(objective, {0.5}, 0, 1).status, LbfgsbStatus::not_finite);
  }
  const auto gradient = each([](Point, std::span<double> g) {
    g[0] = std::nan("");
    return 1.0;
  });
  EXPECT_EQ(minimise(gradient, {0.5}, 0, 1).status, LbfgsbStatus::not_finite);
}

TEST(Lbfgsb, AWrongGradientStallsAndDoesNotHang) {
  const auto objective = each([](Point x, std::span<double> g) {
    g[0] = -1;
    return x[0];
  });
  const LbfgsbResult r = minimise(objective, {0.5}, 0, 1);
  EXPECT_EQ(r.status, LbfgsbStatus::stalled);
  EXPECT_EQ(r.x[0], 0.5);
}

TEST(Lbfgsb, CrossingZeroDoesNotEndTheSearch) {
  // A relative test of the value would stop where value and change are both tiny.
  const auto objective = each([](Point x, std::span<double> g) {
    double value = -1000;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double scale = std::pow(10.0, static_cast<double>(i));
      value += scale * (x[i] - 0.2) * (x[i] - 0.2);
      g[i] = 2 * scale * (x[i] - 0.2);
    }
    return value;
  });
  const LbfgsbResult r = minimise(objective, {2, 1.5, 1, -1, 2}, -4, 4, {.tolerance = 1e-6});
  EXPECT_EQ(r.status, LbfgsbStatus::converged);
  EXPECT_NEAR(r.value, -1000, 1e-9);
}

TEST(Lbfgsb, StopsAtSmallGainsOnlyWhenAsked) {
  const LbfgsbResult patient = minimise(each(rosenbrock), {-1.2, 1}, -5, 5, {.tolerance = 1e-9});
  const LbfgsbResult hasty =
      minimise(each(rosenbrock), {-1.2, 1}, -5, 5, {.tolerance = 1e-9, .min_decrease = 0.5});
  EXPECT_EQ(patient.status, LbfgsbStatus::converged);
  EXPECT_EQ(hasty.status, LbfgsbStatus::small_gain);
  EXPECT_LT(hasty.iterations, patient.iterations);
}

TEST(Lbfgsb, KeepsToItsLimits) {
  const LbfgsbResult r = minimise(each(rosenbrock), {-1.2, 1}, -5, 5, {.max_iterations = 3});
  EXPECT_EQ(r.status, LbfgsbStatus::limit);
  EXPECT_EQ(r.iterations, 3);
  const LbfgsbResult e = minimise(each(rosenbrock), {-1.2, 1}, -5, 5, {.max_evaluations = 4});
  EXPECT_EQ(e.status, LbfgsbStatus::limit);
  EXPECT_EQ(e.evaluations, 4);
  std::vector<double> g(2);
  EXPECT_EQ(e.value, rosenbrock(e.x, g));
}

TEST(Lbfgsb, AloneOrAmongOthersTheStepsAreTheSameBits) {
  constexpr std::size_t kStarts = 12;
  Random random(7, 0, Purpose::candidates);
  std::vector<double> x0, lower, upper;
  for (std::size_t s = 0; s < kStarts; ++s) {
    for (std::size_t i = 0; i < 4; ++i) {
      x0.push_back(-2 + 4 * random.uniform());
      lower.push_back(-2.5 + (s % 3 == 0 ? 2.0 : 0.0));
      upper.push_back(s % 4 == 1 ? 0.8 : 2.5);
    }
  }
  const LbfgsbOptions options{.max_iterations = 60, .tolerance = 1e-7};
  std::size_t calls = 0;
  std::size_t points = 0;
  const auto counted = [&](std::span<const std::size_t> starts, Point x, std::span<double> value,
                           std::span<double> gradient) {
    ++calls;
    points += starts.size();
    EXPECT_TRUE(std::is_sorted(starts.begin(), starts.end()));
    each(rosenbrock)(starts, x, value, gradient);
  };
  const auto together = minimise_lbfgsb(counted, 4, x0, lower, upper, options);
  std::size_t most = 0;
  std::size_t sum = 0;
  for (std::size_t s = 0; s < kStarts; ++s) {
    const auto slice = [&](const std::vector<double>& v) { return std::span(v).subspan(4 * s, 4); };
    const auto alone =
        minimise_lbfgsb(each(rosenbrock), 4, slice(x0), slice(lower), slice(upper), options).front();
    EXPECT_EQ(alone.x, together[s].x);
    EXPECT_EQ(alone.value, together[s].value);
    EXPECT_EQ(alone.evaluations, together[s].evaluations);
    most = std::max(most, static_cast<std::size_t>(alone.evaluations));
    sum += static_cast<std::size_t>(alone.evaluations);
  }
  // One call a step, and starts that are done are left out.
  EXPECT_EQ(calls, most);
  EXPECT_EQ(points, sum);
}

TEST(Lbfgsb, OnlyTheLeaderOfARaceGoesOn) {
  // The same valley from far off, from near and from where nothing is finite.
  const auto valley = each([](Point x, std::span<double> g) {
    if (x[0] > 4) return kInfinity;
    return rosenbrock(x, g);
  });
  const std::vector<double> x0 = {-3, 3, 0.9, 0.9, 4.5, 0};
  const std::vector<double> lower = {-5, -5}, upper = {5, 5};
  const auto all = minimise_lbfgsb(valley, 2, x0, lower, upper, {.tolerance = 1e-9});
  const auto raced = minimise_lbfgsb(valley, 2, x0, lower, upper, {.tolerance = 1e-9, .race_evaluations = 5});
  EXPECT_EQ(raced[0].status, LbfgsbStatus::outrun);
  EXPECT_EQ(raced[0].evaluations, 5);
  EXPECT_EQ(raced[1].status, LbfgsbStatus::converged);
  EXPECT_EQ(raced[1].x, all[1].x);
  EXPECT_EQ(raced[2].status, LbfgsbStatus::not_finite);
  // Where the leader has ended before, the others do not go on either.
  const std::vector<double> there = {-3, 3, 1, 1};
  const auto won = minimise_lbfgsb(valley, 2, there, lower, upper, {.race_evaluations = 2});
  EXPECT_EQ(won[0].status, LbfgsbStatus::outrun);
  EXPECT_EQ(won[1].status, LbfgsbStatus::converged);
  EXPECT_EQ(won[1].evaluations, 1);
}

TEST(Lbfgsb, WhoFallsHopelesslyBehindEnds) {
  // Two valleys, of which the second is 10 higher, seen from starts that descend alike.
  const auto valleys = each([](Point x, std::span<double> g) {
    const double centre = x[0] < 0 ? -5 : 5;
    const double high = x[0] < 0 ? 0 : 10;
    const double a = x[0] - centre;
    g[0] = 4 * a * a * a + 0.2 * a;
    g[1] = 2 * (x[1] - 1);
    return high + a * a * a * a + 0.1 * a * a + (x[1] - 1) * (x[1] - 1);
  });
  const std::vector<double> x0 = {-4, 3, 4, 3}, lower = {-9, -9}, upper = {9, 9};
  const LbfgsbOptions patient{.tolerance = 1e-10};
  LbfgsbOptions strict = patient;
  strict.hopeless_gains = 2;
  const auto all = minimise_lbfgsb(valleys, 2, x0, lower, upper, patient);
  const auto some = minimise_lbfgsb(valleys, 2, x0, lower, upper, strict);
  EXPECT_EQ(all[1].status, LbfgsbStatus::converged);
  EXPECT_EQ(some[1].status, LbfgsbStatus::outrun);
  EXPECT_LT(some[1].evaluations, all[1].evaluations);
  EXPECT_GE(some[1].iterations, 2) << "not before it has shown how fast it falls";
  EXPECT_EQ(some[0].x, all[0].x);
  EXPECT_EQ(some[0].status, LbfgsbStatus::converged);
}

TEST(Lbfgsb, WhoIsInTheBasinWhereAnotherHasEndedEnds) {
  // Two basins a unit apart along x1 and nearly as deep, badly scaled: the first start is at the end of one
  // at once, the second on its way there, the third in the other.
  const auto basins = each([](Point x, std::span<double> g) {
    const double a = x[0] * x[0] - 0.25;
    const double b = x[1] - 1;
    g[0] = 40 * a * x[0] + 0.01;
    g[1] = 2e-3 * b;
    return 10 * a * a + 0.01 * x[0] + 1e-3 * b * b;
  });
  const std::vector<double> x0 = {-0.5005, 1, -0.3, 0.5, 0.3, 0.5}, lower = {-9, -9}, upper = {9, 9};
  const LbfgsbOptions apart{.tolerance = 1e-8};
  LbfgsbOptions merging = apart;
  merging.merge_distance = 1;
  const auto all = minimise_lbfgsb(basins, 2, x0, lower, upper, apart);
  const auto some = minimise_lbfgsb(basins, 2, x0, lower, upper, merging);
  EXPECT_NEAR(all[1].x[0], all[0].x[0], 1e-6);
  EXPECT_GT(all[2].x[0], 0.4);
  EXPECT_EQ(some[0].status, LbfgsbStatus::converged);
  EXPECT_EQ(some[1].status, LbfgsbStatus::outrun);
  EXPECT_LT(some[1].evaluations, all[1].evaluations);
  EXPECT_EQ(some[2].status, LbfgsbStatus::converged) << "the other basin is another matter";
  EXPECT_EQ(some[2].x, all[2].x);
  merging.merge_distance = 1e-3;
  const auto far = minimise_lbfgsb(basins, 2, x0, lower, upper, merging);
  EXPECT_GT(far[1].evaluations, some[1].evaluations) << "only from near by";
}

TEST(Lbfgsb, StepsKeepToTheirLimit) {
  // Nearly flat far away: an unbounded first step along the slope would be 1, then far more.
  std::vector<double> seen;
  const auto bowl = each([&](Point x, std::span<double> g) {
    seen.push_back(x[0]);
    g[0] = x[0] / std::sqrt(1 + x[0] * x[0]);
    g[1] = 1e-3 * x[1];
    return std::sqrt(1 + x[0] * x[0]) + 5e-4 * x[1] * x[1];
  });
  const LbfgsbResult free = minimise(bowl, {-40, 3}, -100, 100, {.tolerance = 1e-8});
  double longest = 0;
  for (std::size_t i = 1; i < seen.size(); ++i) longest = std::max(longest, std::abs(seen[i] - seen[i - 1]));
  EXPECT_GT(longest, 2);
  const std::size_t freely = seen.size();
  seen.clear();
  const LbfgsbResult held = minimise(bowl, {-40, 3}, -100, 100, {.tolerance = 1e-8, .max_step = 0.25});
  // The first trial of each line search; later ones may go on from it.
  EXPECT_LE(std::abs(seen[1] - seen[0]), 0.25 + 1e-12);
  EXPECT_GT(seen.size(), freely);
  EXPECT_NEAR(held.value, free.value, 1e-6);
}

TEST(Lbfgsb, WhatIsKnownOfTheCurvatureNeedNotBeLearntAgain) {
  // f = (x - 1)' A (x - 1) / 2 with A of very different eigenvalues, along turned axes.
  constexpr std::size_t kN = 6;
  Random random(3, 1, Purpose::candidates);
  std::vector<std::vector<double>> axes;
  for (std::size_t i = 0; i < kN; ++i) {
    std::vector<double> axis(kN);
    for (double& v : axis) v = random.normal();
    for (const auto& other : axes) {
      double along = 0;
      for (std::size_t k = 0; k < kN; ++k) along += axis[k] * other[k];
      for (std::size_t k = 0; k < kN; ++k) axis[k] -= along * other[k];
    }
    double length = 0;
    for (const double v : axis) length += v * v;
    for (double& v : axis) v /= std::sqrt(length);
    axes.push_back(axis);
  }
  Curvature known;
  for (std::size_t i = 0; i < kN; ++i) {
    for (const double v : axes[i]) known.steps.push_back(v);
    for (const double v : axes[i]) known.changes.push_back(std::pow(10.0, static_cast<double>(i)) * v);
  }
  const auto quadratic = each([&](Point x, std::span<double> g) {
    double value = 0;
    std::fill(g.begin(), g.end(), 0.0);
    for (std::size_t i = 0; i < kN; ++i) {
      double along = 0;
      for (std::size_t k = 0; k < kN; ++k) along += axes[i][k] * (x[k] - 1);
      const double scale = std::pow(10.0, static_cast<double>(i));
      value += 0.5 * scale * along * along;
      for (std::size_t k = 0; k < kN; ++k) g[k] += scale * along * axes[i][k];
    }
    return value;
  });
  const std::vector<double> x0 = {3, -2, 0.5, 2, -1, 4}, lower(kN, -10.0), upper(kN, 10.0);
  const LbfgsbOptions options{.memory = 10, .tolerance = 1e-6};
  const auto without = minimise_lbfgsb(quadratic, kN, x0, lower, upper, options).front();
  const auto with = minimise_lbfgsb(quadratic, kN, x0, lower, upper, options, std::span(&known, 1)).front();
  EXPECT_GT(without.iterations, 6);
  EXPECT_LE(with.iterations, 2) << "Newton's step";
  EXPECT_THAT(with.x, testing::Each(DoubleNear(1, 1e-5)));
  // What a search ends with is of use to the next.
  const auto again =
      minimise_lbfgsb(quadratic, kN, x0, lower, upper, options, std::span(&without.curvature, 1)).front();
  EXPECT_LT(again.iterations, without.iterations);
  EXPECT_EQ(without.curvature.steps.size(), without.curvature.changes.size());

  known.changes.pop_back();
  EXPECT_THROW(minimise_lbfgsb(quadratic, kN, x0, lower, upper, options, std::span(&known, 1)), UsageError);
  EXPECT_THROW(minimise_lbfgsb(quadratic, kN, x0, lower, upper, options, std::vector<Curvature>(2)),
               UsageError);
}

TEST(Lbfgsb, RefusesMisfitShapes) {
  const std::vector<double> two = {0, 0};
  const std::vector<double> three = {1, 1, 1};
  EXPECT_THROW(minimise_lbfgsb(each(rosenbrock), 2, three, two, two), UsageError);
  EXPECT_THROW(minimise_lbfgsb(each(rosenbrock), 2, two, two, three), UsageError);
  EXPECT_THROW(minimise_lbfgsb(each(rosenbrock), 2, two, std::vector<double>{1, 1}, two), UsageError);
  EXPECT_THROW(minimise_lbfgsb(each(rosenbrock), 2, two, two, two, {.memory = 0}), UsageError);
  EXPECT_THAT(minimise_lbfgsb(each(rosenbrock), 2, {}, two, two), testing::IsEmpty());
}

}  // namespace
}  // namespace krigon
