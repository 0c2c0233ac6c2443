#include "optim/quasi_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace krigon::detail {
namespace {

using Vector = std::vector<double>;
constexpr std::size_t kN = 6;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Vector random_vector(Random& random) {
  Vector v(kN);
  for (double& entry : v) entry = random.normal();
  return v;
}

Vector times(const std::vector<Vector>& matrix, const Vector& v) {
  Vector out(kN);
  for (std::size_t i = 0; i < kN; ++i) {
    for (std::size_t j = 0; j < kN; ++j) out[i] += matrix[i][j] * v[j];
  }
  return out;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < kN; ++i) sum += a[i] * b[i];
  return sum;
}

/// The dense BFGS matrix of the last `memory` pairs, started from theta I.
std::vector<Vector> dense_hessian(const std::vector<Vector>& s, const std::vector<Vector>& y,
                                  std::size_t memory) {
  const double theta = dot(y.back(), y.back()) / dot(s.back(), y.back());
  std::vector<Vector> b(kN, Vector(kN));
  for (std::size_t i = 0; i < kN; ++i) b[i][i] = theta;
  for (std::size_t k = s.size() > memory ? s.size() - memory : 0; k < s.size(); ++k) {
    const Vector bs = times(b, s[k]);
    const double sbs = dot(s[k], bs);
    const double sy = dot(s[k], y[k]);
    for (std::size_t i = 0; i < kN; ++i) {
      for (std::size_t j = 0; j < kN; ++j) b[i][j] += y[k][i] * y[k][j] / sy - bs[i] * bs[j] / sbs;
    }
  }
  return b;
}

struct Pairs {
  std::vector<Vector> s;
  std::vector<Vector> y;
};

Pairs pairs_of_a_quadratic(std::size_t count, Random& random) {
  std::vector<Vector> a(kN, Vector(kN));
  for (std::size_t k = 0; k < kN + 2; ++k) {
    const Vector v = random_vector(random);
    for (std::size_t i = 0; i < kN; ++i) {
      for (std::size_t j = 0; j < kN; ++j) a[i][j] += v[i] * v[j];
    }
  }
  Pairs pairs;
  for (std::size_t k = 0; k < count; ++k) {
    pairs.s.push_back(random_vector(random));
    pairs.y.push_back(times(a, pairs.s.back()));
  }
  return pairs;
}

class QuasiNewtonMemory : public testing::TestWithParam<std::size_t> {};

TEST_P(QuasiNewtonMemory, StepWithoutBoundsIsTheDenseNewtonStep) {
  Random random(3, GetParam(), Purpose::candidates);
  const Pairs pairs = pairs_of_a_quadratic(9, random);
  QuasiNewton model(kN, GetParam());
  Pairs seen;
  for (std::size_t k = 0; k < 9; ++k) {
    model.update(pairs.s[k], pairs.y[k]);
    seen.s.push_back(pairs.s[k]);
    seen.y.push_back(pairs.y[k]);
    const auto hessian = dense_hessian(seen.s, seen.y, GetParam());
    const Vector x = random_vector(random);
    const Vector g = random_vector(random);
    Vector proposal(kN);
    ASSERT_TRUE(model.propose(x, g, Vector(kN, -kInfinity), Vector(kN, kInfinity), proposal));
    for (std::size_t i = 0; i < kN; ++i) proposal[i] -= x[i];
    const Vector residual = times(hessian, proposal);
    for (std::size_t i = 0; i < kN; ++i) EXPECT_NEAR(residual[i], -g[i], 1e-9) << k;
  }
}

struct Box {
  Vector g, x, lower, upper;
};

Box random_box(int round, Random& random) {
  Box box{random_vector(random), Vector(kN), Vector(kN), Vector(kN)};
  for (std::size_t i = 0; i < kN; ++i) {
    box.lower[i] = -random.uniform();
    box.upper[i] = random.uniform();
    box.x[i] = box.lower[i] + (box.upper[i] - box.lower[i]) * random.uniform();
    if (round % 3 == 0 && i == 1) box.x[i] = box.lower[i];
  }
  return box;
}

TEST_P(QuasiNewtonMemory, StepInABoxIsInsideAndLeadsDown) {
  Random random(5, GetParam(), Purpose::candidates);
  const Pairs pairs = pairs_of_a_quadratic(8, random);
  QuasiNewton model(kN, GetParam());
  for (std::size_t k = 0; k < 8; ++k) model.update(pairs.s[k], pairs.y[k]);
  for (int round = 0; round < 200; ++round) {
    const Box box = random_box(round, random);
    Vector proposal(kN);
    ASSERT_TRUE(model.propose(box.x, box.g, box.lower, box.upper, proposal));
    double slope = 0;
    for (std::size_t i = 0; i < kN; ++i) {
      EXPECT_GE(proposal[i], box.lower[i]);
      EXPECT_LE(proposal[i], box.upper[i]);
      slope += box.g[i] * (proposal[i] - box.x[i]);
    }
    EXPECT_LT(slope, 0) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Memories, QuasiNewtonMemory, testing::Values(1, 2, 4, 6, 10));

TEST(QuasiNewton, WithoutPairsTheStepIsTheFirstMinimumOfAUnitQuadraticAlongTheProjectedGradient) {
  Random random(6, 0, Purpose::candidates);
  QuasiNewton model(kN, 3);
  for (int round = 0; round < 50; ++round) {
    const Box box = random_box(round, random);
    Vector proposal(kN);
    ASSERT_TRUE(model.propose(box.x, box.g, box.lower, box.upper, proposal));
    // For the unit Hessian that minimum is the projection of x - g.
    for (std::size_t i = 0; i < kN; ++i) {
      EXPECT_NEAR(proposal[i], std::clamp(box.x[i] - box.g[i], box.lower[i], box.upper[i]), 1e-14) << round;
    }
  }
}

TEST(QuasiNewton, InTheBoxsInteriorBoundsDoNotMatter) {
  Random random(8, 0, Purpose::candidates);
  const Pairs pairs = pairs_of_a_quadratic(7, random);
  QuasiNewton model(kN, 5);
  for (std::size_t k = 0; k < 7; ++k) model.update(pairs.s[k], pairs.y[k]);
  Vector g = random_vector(random);
  for (double& entry : g) entry *= 1e-3;
  const Vector x(kN, 0.0);
  Vector bounded(kN), unbounded(kN);
  ASSERT_TRUE(model.propose(x, g, Vector(kN, -10.0), Vector(kN, 10.0), bounded));
  ASSERT_TRUE(model.propose(x, g, Vector(kN, -kInfinity), Vector(kN, kInfinity), unbounded));
  EXPECT_EQ(bounded, unbounded);
}

TEST(QuasiNewton, RefusesPairsWithoutPositiveCurvature) {
  QuasiNewton model(2, 3);
  model.update(Vector{1, 0}, Vector{-1, 0});
  model.update(Vector{1, 0}, Vector{0, 1});
  EXPECT_TRUE(model.empty());
}

}  // namespace
}  // namespace krigon::detail
