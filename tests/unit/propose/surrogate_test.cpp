// The model of a sampler: when its hyperparameters are fitted, and to what.
#include "propose/surrogate.hpp"

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "backend/cpu_backend.hpp"

namespace krigon {
namespace {

/// Smooth in the first of two coordinates, the same along the second.
GpData wave(std::size_t n) {
  GpData data;
  data.n = n;
  data.groups = {0, 1};
  for (std::size_t i = 0; i < n; ++i) {
    const double x = std::fmod(0.7548776662 * static_cast<double>(i + 1), 1.0);
    data.columns.insert(data.columns.end(), {x, std::fmod(0.5698402910 * static_cast<double>(i + 1), 1.0)});
    data.y.push_back(std::sin(6 * x));
  }
  return data;
}

TEST(Surrogate, ManyObservationsWithoutAModelAreFirstFittedBySampleThenWhole) {
  const auto backend = make_cpu_backend({.threads = 1});
  const GpData data = wave(2500);
  const auto told = static_cast<std::int64_t>(data.n);
  const auto first = make_surrogate(*backend, data, told, std::nullopt, objective_belief(2), 1, 0, 500);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->refitted);
  // Of a part: the next one is due at once.
  EXPECT_EQ(first->fitted_at, 500);
  EXPECT_TRUE(refit_due(told, first->fitted_at));
  const Hyperparameters& sampled = first->posterior->hyperparameters();
  const auto next =
      make_surrogate(*backend, data, told, Stored{sampled, first->fitted_at}, objective_belief(2), 1, 1, 500);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->refitted);
  EXPECT_EQ(next->fitted_at, told);
  // The sample said the same of what matters: which coordinate does, and how far it reaches.
  const Hyperparameters& whole = next->posterior->hyperparameters();
  EXPECT_NEAR(sampled.log_lengthscale[0], whole.log_lengthscale[0], 0.3);
  EXPECT_GT(sampled.log_lengthscale[1], sampled.log_lengthscale[0] + 1);
  EXPECT_GT(whole.log_lengthscale[1], whole.log_lengthscale[0] + 1);
  // All that was observed is in the posterior of both.
  std::vector<double> mean(1), variance(1);
  const std::vector<double> at{0.31, 0.5};
  for (const auto* surrogate : {&*first, &*next}) {
    surrogate->posterior->evaluate(at, mean, variance);
    const auto transform = surrogate->posterior->transform();
    EXPECT_NEAR(transform.inverse(mean[0]), std::sin(6 * 0.31), 1e-3);
  }
}

TEST(Surrogate, FewObservationsAreFittedWhole) {
  const auto backend = make_cpu_backend({.threads = 1});
  const auto whole = make_surrogate(*backend, wave(60), 60, std::nullopt, objective_belief(2), 1, 0, 500);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->fitted_at, 60);
}

}  // namespace
}  // namespace krigon
