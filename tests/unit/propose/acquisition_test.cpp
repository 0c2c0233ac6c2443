#include "propose/acquisition/acquisition.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "kernels/acquisition/marginal.hpp"

namespace krigon {
namespace {

TEST(LogProbabilityBelow, AgreesWithFortyDigits) {
  // log Phi(s) by mpmath.
  const std::array<std::pair<double, double>, 10> reference{{{3, -0.0013508099647481937988},
                                                             {0.5, -0.36894641528865639307},
                                                             {0, -0.69314718055994530942},
                                                             {-0.999, -1.8394969101647779075},
                                                             {-1.001, -1.8425471807560769358},
                                                             {-3, -6.6077262215103495433},
                                                             {-10, -53.231285150512470578},
                                                             {-38, -726.5572160188201301},
                                                             {-100, -5005.5242086942050886},
                                                             {-1000, -500007.82669481218431}}};
  for (const auto& [s, expected] : reference) {
    const Term term = marginal_term(log_probability_below(s, 0), 0, 1);
    EXPECT_NEAR(term.value, expected, 1e-14 * std::abs(expected) + 1e-17) << s;
    // The noise is part of the spread.
    EXPECT_NEAR(marginal_term(log_probability_below(2 * s, 3), 0, 1).value, expected,
                1e-14 * std::abs(expected) + 1e-17);
  }
}

TEST(Acquisition, SumsItsPartsAndTheirGradients) {
  const auto backend = make_cpu_backend();
  Random random(1, 1, Purpose::candidates);
  GpData data;
  data.n = 12;
  data.groups = {0, 1, 2};
  for (std::size_t i = 0; i < data.n * 3; ++i) data.columns.push_back(random.uniform());
  for (std::size_t i = 0; i < data.n; ++i)
    data.y.push_back(std::sin(7 * data.columns[3 * i]) + data.columns[3 * i + 1]);
  const Hyperparameters one{{-0.5, 0.1, 0.4}, {0.2}, -6, 0.1}, other{{0.3, -0.3, 0.0}, {-0.4}, -3, 0};
  const auto transform = OutputTransform::of(data.y, OutputScaling::standardise);
  Posterior a(*backend, data, one, transform), b(*backend, data, other, transform);
  Acquisition both({{&a, log_ei(-0.5)}, {&b, log_probability_below(0.2, 0.1)}});
  Acquisition first({{&a, log_ei(-0.5)}}), second({{&b, log_probability_below(0.2, 0.1)}});
  EXPECT_EQ(both.columns(), 3u);

  std::vector<double> x(4 * 3);
  for (double& v : x) v = random.uniform();
  std::vector<double> value(4), part(4), again(4), gradient(12);
  both.evaluate(x, value);
  first.evaluate(x, part);
  second.evaluate(x, again);
  for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(value[j], part[j] + again[j], 1e-12);
  both.evaluate_with_gradient(x, again, gradient);
  for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(value[j], again[j], 1e-9 * (1 + std::abs(value[j])));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double h = 1e-5;
    auto up = x, down = x;
    up[i] += h;
    down[i] -= h;
    std::vector<double> high(4), low(4);
    both.evaluate(up, high);
    both.evaluate(down, low);
    const double difference = (high[i / 3] - low[i / 3]) / (2 * h);
    EXPECT_NEAR(gradient[i], difference, 1e-5 * (1 + std::abs(difference))) << i;
  }
}

TEST(Acquisition, StaysFiniteOnTopOfANoiselessObservation) {
  const auto backend = make_cpu_backend();
  GpData data;
  data.n = 3;
  data.groups = {0};
  data.columns = {0.1, 0.5, 0.9};
  data.y = {1, 0, 2};
  Posterior posterior(*backend, data, {{-1}, {0}, -18, 0},
                      OutputTransform::of(data.y, OutputScaling::standardise));
  Acquisition acquisition({{&posterior, log_ei(-2)}});
  std::vector<double> value(3), gradient(3);
  acquisition.evaluate_with_gradient(data.columns, value, gradient);
  for (const double v : value) EXPECT_TRUE(std::isfinite(v)) << v;
}

}  // namespace
}  // namespace krigon
