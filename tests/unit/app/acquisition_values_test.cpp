// Values of the library's acquisitions against their definitions, by other means than their own.

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/app/acquisitions.hpp"

namespace krigon {
namespace {

/// log E[max(least of f at the baseline - least of f at the points, 0)] by joint draws of f at all of them.
double noisy_improvement(GaussianProcess& process, const std::vector<double>& baseline,
                         const std::vector<double>& at, double sign, double unit) {
  constexpr std::size_t kDraws = 40000;
  auto all = baseline;
  all.insert(all.end(), at.begin(), at.end());
  const std::size_t m = all.size() / 2;
  const auto draws = process.sample(all, kDraws, 11);
  double sum = 0;
  for (std::size_t s = 0; s < kDraws; ++s) {
    double known = 1e300, found = 1e300;
    for (std::size_t i = 0; i < m; ++i) {
      double& least = i < baseline.size() / 2 ? known : found;
      least = std::min(least, sign * draws[s * m + i]);
    }
    sum += std::max(known - found, 0.0);
  }
  return std::log(sum / kDraws / unit);
}

TEST(NoisyImprovement, IsThatOfJointDraws) {
  const auto x = points(12);
  const auto y = noisy_at(x);
  GaussianProcess process = GaussianProcess::fit(x, 2, y, noisy_options());
  std::vector<double> mean(12), variance(12);
  process.predict(x, mean, variance);
  for (const Direction direction : {Direction::minimize, Direction::maximize}) {
    const double sign = direction == Direction::minimize ? 1 : -1;
    std::vector<std::size_t> order(12);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t i, std::size_t j) { return sign * mean[i] < sign * mean[j]; });
    for (const std::size_t baseline : {12, 4}) {
      std::vector<double> best;
      for (std::size_t i = 0; i < baseline; ++i) {
        best.insert(best.end(), {x[2 * order[i]], x[2 * order[i] + 1]});
      }
      for (const std::size_t q : {1, 2}) {
        AcquisitionOptions options;
        options.name = "q-log-nei";
        options.direction = direction;
        options.q = q;
        options.samples = 512;
        options.raw = 128;
        options.starts = 4;
        options.baseline = baseline;
        auto at = maximize_acquisition(process, options).x;
        for (const double moved : {0.0, 0.4}) {
          at[0] += at[0] > 5 ? -moved : moved;
          std::vector<double> value(1);
          evaluate_acquisition(process, options, at, value);
          EXPECT_NEAR(value[0], noisy_improvement(process, best, at, sign, spread(y)), 0.05)
              << baseline << " " << q << " " << moved;
        }
      }
    }
  }
}

TEST(NoisyImprovement, WithoutNoiseIsTheImprovementOnTheBestObservation) {
  auto x = points(14);
  GpOptions known = boxed();
  known.noise = 0;
  GaussianProcess process = GaussianProcess::fit(x, 2, surface_at(x), known);
  for (const auto& [noisy, plain, q] : {std::tuple("q-log-nei", "log-ei", 1), {"q-log-nei", "q-log-ei", 2}}) {
    AcquisitionOptions options;
    options.q = static_cast<std::size_t>(q);
    const auto at = points(6, 0.37);
    std::vector<double> value(6 / options.q), expected(value.size());
    options.name = plain;
    evaluate_acquisition(process, options, at, expected);
    options.name = noisy;
    evaluate_acquisition(process, options, at, value);
    for (std::size_t g = 0; g < value.size(); ++g) {
      EXPECT_NEAR(value[g], expected[g], 0.02 * (1 + std::abs(expected[g]))) << g;
    }
  }
  // Replicates count once, and do no harm.
  x.insert(x.end(), x.begin(), x.begin() + 8);
  GaussianProcess again = GaussianProcess::fit(x, 2, noisy_at(x), noisy_options());
  AcquisitionOptions options;
  options.name = "q-log-nei";
  std::vector<double> value(18);
  evaluate_acquisition(again, options, x, value);
  for (const double entry : value) EXPECT_TRUE(std::isfinite(entry));
}

/// One column over [0, 1].
struct Line {
  explicit Line(double variance = 0.01) : noise(variance) {}

  double noise;
  std::vector<double> x = {0.02, 0.13, 0.31, 0.44, 0.58, 0.72, 0.86, 0.97};
  std::vector<double> y;
  GaussianProcess process = make();

  GaussianProcess make() {
    for (const double at : x) y.push_back(std::sin(5 * at) + 0.3 * std::cos(9 * at));
    GpOptions options;
    options.lower = {0};
    options.upper = {1};
    options.noise = noise;
    return GaussianProcess::fit(x, 1, y, options);
  }
};

TEST(KnowledgeGradient, IsTheExpectedFallOfThePosteriorsMinimum) {
  Line line(0.5);
  constexpr std::size_t kGrid = 401;
  for (const Direction direction : {Direction::minimize, Direction::maximize}) {
    const double sign = direction == Direction::minimize ? 1 : -1;
    AcquisitionOptions options;
    options.name = "log-kg";
    options.direction = direction;
    options.places = 300;
    const double found = maximize_acquisition(line.process, options).x[0];
    for (const double at : {found, 0.21, 0.79}) {
      std::vector<double> where = {at}, mean(kGrid + 1), covariance((kGrid + 1) * (kGrid + 1));
      for (std::size_t i = 0; i < kGrid; ++i) {
        where.push_back(static_cast<double>(i) / static_cast<double>(kGrid - 1));
      }
      line.process.predict_joint(where, mean, covariance);
      const double deviation = std::sqrt(covariance[0] + line.noise);
      double before = 1e300, after = 0, weights = 0;
      for (const double m : mean) before = std::min(before, sign * m);
      for (int k = -800; k <= 800; ++k) {  // over the standardised observation to come
        const double z = k / 100.0, weight = std::exp(-z * z / 2);
        double least = 1e300;
        for (std::size_t i = 0; i <= kGrid; ++i) {
          least = std::min(least, sign * (mean[i] + covariance[i] / deviation * z));
        }
        after += weight * least;
        weights += weight;
      }
      std::vector<double> value(1);
      evaluate_acquisition(line.process, options, std::vector<double>{at}, value);
      const double gain = (before - after / weights) / spread(line.y);
      EXPECT_NEAR(std::exp(value[0]), gain, 0.02 * gain + 2e-5) << at;  // the grid's resolution
      EXPECT_GT(gain, at == found ? 5e-3 : 0.0);
    }
  }
}

TEST(Gibbon, IsTheInformationAboutTheSmallestOfIndependentDraws) {
  Line line;
  constexpr std::size_t kPlaces = 1024, kDraws = 1000;
  std::vector<double> grid = line.x;
  for (std::size_t i = 0; i < kPlaces; ++i) grid.push_back((static_cast<double>(i) + 0.5) / kPlaces);
  std::vector<double> mean(grid.size()), variance(grid.size());
  line.process.predict(grid, mean, variance);
  const double known = *std::min_element(mean.begin(), mean.begin() + 8);
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> least(kDraws, known);
  for (double& value : least) {
    for (std::size_t i = 0; i < grid.size(); ++i) {
      value = std::min(value, mean[i] + std::sqrt(variance[i]) * normal(random));
    }
  }
  AcquisitionOptions options;
  options.name = "gibbon";
  options.minima = 16;
  const std::vector<double> at = {0.07, 0.2, 0.37, 0.51, 0.64, 0.79, 0.92};
  std::vector<double> value(7), log_value(7), there(7), spread_there(7);
  evaluate_acquisition(line.process, options, at, value);
  options.name = "log-gibbon";
  evaluate_acquisition(line.process, options, at, log_value);
  line.process.predict(at, there, spread_there);
  for (std::size_t i = 0; i < at.size(); ++i) {
    double information = 0;
    for (const double smallest : least) {
      const double sigma = std::sqrt(spread_there[i]);
      const double g = (there[i] - smallest) / sigma;
      const double r = std::exp(-g * g / 2) / std::sqrt(2 * std::numbers::pi) /
                       (0.5 * std::erfc(-g / std::numbers::sqrt2));
      information -=
          0.5 * std::log1p(-spread_there[i] / (spread_there[i] + line.noise) * r * (g + r)) / kDraws;
    }
    EXPECT_NEAR(value[i], information, 0.1 * information + 1e-4) << at[i];
    EXPECT_NEAR(std::exp(log_value[i]), value[i], 1e-9 * (1 + value[i]));
  }
  // Far apart, two observations tell what each tells; in one place less.
  const auto best = std::max_element(value.begin(), value.end()) - value.begin();
  options.name = "gibbon";
  options.q = 2;
  const double most = at[static_cast<std::size_t>(best)], far = most < 0.5 ? 0.92 : 0.07;
  std::vector<double> pair(2);
  evaluate_acquisition(line.process, options, std::vector<double>{most, far, most, most}, pair);
  const double alone = value[static_cast<std::size_t>(best)];
  EXPECT_NEAR(pair[0], alone + value[most < 0.5 ? 6 : 0], 0.05 * alone);
  EXPECT_LT(pair[1], 1.9 * alone);
}

TEST(Thompson, PathsFollowThePosterior) {
  Line line;
  constexpr int kPaths = 300;
  const std::vector<double> at = {0.2, 0.5, 0.65};
  std::vector<double> value(3), mean(3), variance(3);
  std::array<double, 3> sum{}, square{};
  AcquisitionOptions options;
  options.name = "thompson";
  for (int seed = 0; seed < kPaths; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);
    evaluate_acquisition(line.process, options, at, value);
    for (std::size_t i = 0; i < 3; ++i) sum[i] += value[i], square[i] += value[i] * value[i];
  }
  line.process.predict(at, mean, variance);
  const double unit = spread(line.y);
  const double middle = std::accumulate(line.y.begin(), line.y.end(), 0.0) / 8;
  for (std::size_t i = 0; i < 3; ++i) {
    const double found = sum[i] / kPaths, deviation = std::sqrt(variance[i]) / unit;
    EXPECT_NEAR(found, -(mean[i] - middle) / unit, 4 * deviation / std::sqrt(kPaths));
    EXPECT_NEAR(std::sqrt(square[i] / kPaths - found * found), deviation, 0.2 * deviation);
  }
}

TEST(Thompson, EveryPathHasItsOwnMinimum) {
  const std::vector<double> x = {0.1, 0.5, 0.9}, y = {0, 0.1, -0.05};
  GpOptions known;
  known.noise = 1e-4;
  GaussianProcess process = GaussianProcess::fit(x, 1, y, known);
  AcquisitionOptions options;
  options.name = "thompson";
  options.q = 6;
  const AcquisitionMaximum found = maximize_acquisition(process, options);
  std::vector<double> sorted = found.x;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_GT(sorted.back() - sorted.front(), 0.1);
  // Point i is path i's: in another order they are worth less.
  std::vector<double> turned(found.x.rbegin(), found.x.rend()), value(2);
  turned.insert(turned.end(), found.x.begin(), found.x.end());
  evaluate_acquisition(process, options, turned, value);
  EXPECT_LT(value[0], value[1]);
  EXPECT_NEAR(value[1], found.value, 1e-9);
}

/// The volume that the points dominate, all minimised: slices along the last objective.
double volume(std::vector<std::vector<double>> all, std::vector<double> reference) {
  if (reference.size() == 1) {
    double least = reference[0];
    for (const auto& point : all) least = std::min(least, point[0]);
    return reference[0] - least;
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.back() < b.back(); });
  const double end = reference.back();
  reference.pop_back();
  double sum = 0;
  std::vector<std::vector<double>> below;
  for (std::size_t i = 0; i < all.size() && all[i].back() < end; ++i) {
    const double next = i + 1 < all.size() ? std::min(end, all[i + 1].back()) : end;
    below.emplace_back(all[i].begin(), all[i].end() - 1);
    sum += (next - all[i].back()) * volume(below, reference);
  }
  return sum;
}

TEST(HypervolumeImprovement, IsThatOfJointDraws) {
  const auto x = points(10);
  std::vector<std::vector<double>> y = {surface_at(x), slope_at(x), {}};
  for (std::size_t i = 0; i < x.size(); i += 2) y[2].push_back(std::cos(0.5 * x[i]) + x[i + 1]);
  const std::vector<double> reference = {325, -0.2, 1.2};
  const std::vector<Direction> directions = {Direction::minimize, Direction::maximize, Direction::minimize};
  std::vector<GaussianProcess> processes;
  for (const auto& outputs : y) processes.push_back(GaussianProcess::fit(x, 2, outputs, noisy_options()));
  // The noise is in squared units of y: of each objective its own.
  for (std::size_t m = 1; m < 3; ++m) {
    GpOptions options = boxed();
    options.noise = 1e-4;
    processes[m] = GaussianProcess::fit(x, 2, y[m], options);
  }
  for (const std::size_t objectives : {2, 3}) {
    std::vector<GaussianProcess*> of;
    AcquisitionOptions options;
    std::vector<std::vector<double>> known(10);
    std::vector<double> reference_in_units, units;
    for (std::size_t m = 0; m < objectives; ++m) {
      of.push_back(&processes[m]);
      options.reference.push_back(reference[m]);
      options.directions.push_back(directions[m]);
      const double unit = (directions[m] == Direction::minimize ? 1 : -1) / spread(y[m]);
      reference_in_units.push_back(unit * reference[m]);
      units.push_back(unit);
      for (std::size_t i = 0; i < 10; ++i) known[i].push_back(unit * y[m][i]);
    }
    const double before = volume(known, reference_in_units);
    // What another dominates adds nothing, but time.
    for (std::size_t i = known.size(); i-- > 0;) {
      auto rest = known;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      if (volume(rest, reference_in_units) == before) known = rest;
    }
    for (const std::size_t q : {1, 2}) {
      options.name = "q-log-ehvi";
      options.q = q;
      options.samples = 16;
      options.raw = 64;
      options.starts = 2;
      const auto at = maximize_acquisition(of, options).x;
      constexpr std::size_t kDraws = 6000;
      std::vector<std::vector<double>> draws;
      for (std::size_t m = 0; m < objectives; ++m) draws.push_back(processes[m].sample(at, kDraws, 7 + m));
      double sum = 0;
      for (std::size_t s = 0; s < kDraws; ++s) {
        auto with = known;
        for (std::size_t i = 0; i < q; ++i) {
          with.emplace_back();
          for (std::size_t m = 0; m < objectives; ++m) {
            with.back().push_back(units[m] * draws[m][s * q + i]);
          }
        }
        sum += volume(with, reference_in_units) - before;
      }
      const double expected = std::log(sum / kDraws);
      options.samples = 1024;
      std::vector<double> value(1);
      evaluate_acquisition(of, options, at, value);
      EXPECT_NEAR(value[0], expected, 0.07) << objectives << " " << q;
      if (q > 1) continue;
      options.name = "log-ehvi";
      evaluate_acquisition(of, options, at, value);
      EXPECT_NEAR(value[0], expected, 0.07) << objectives;
    }
  }
}

TEST(HypervolumeImprovement, OfOneObjectiveIsExpectedImprovement) {
  Two two;
  AcquisitionOptions options = cheap("log-ehvi");
  options.reference = {400};
  options.directions = {};
  const auto at = points(4, 0.37);
  std::vector<double> value(4), expected(4);
  evaluate_acquisition(two.first, options, at, value);
  options.name = "log-ei";
  evaluate_acquisition(two.first, options, at, expected);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(value[i], expected[i], 1e-9 * (1 + std::abs(expected[i])));
}

TEST(Feasibility, IsTheProbabilityOfTheLatentFunction) {
  Two two;
  const auto at = points(4, 0.37);
  std::vector<double> below(4), above(4), mean(4), variance(4);
  two.first.predict(at, mean, variance);
  AcquisitionOptions options = cheap("log-probability-below");
  options.direction = Direction::maximize;  // has no say
  evaluate_acquisition(two.first, options, at, below);
  options.name = "log-probability-above";
  evaluate_acquisition(two.first, options, at, above);
  for (std::size_t i = 0; i < 4; ++i) {
    const double z = (300 - mean[i]) / std::sqrt(variance[i]);
    EXPECT_NEAR(std::exp(below[i]), 0.5 * std::erfc(-z / std::numbers::sqrt2), 1e-9);
    EXPECT_NEAR(std::exp(below[i]) + std::exp(above[i]), 1, 1e-9);
  }
}

}  // namespace
}  // namespace krigon
