#include "bench/quality/problems.hpp"

#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace krigon::bench {
namespace {

Space cube(std::size_t dims, double low, double high) {
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < dims; ++i) {
    parameters.push_back({fmt::format("x{}", i), RealDomain{low, high, Scale::linear, {}}, {}});
  }
  return Space(std::move(parameters));
}

std::vector<double> coordinates(const Parameters& point, std::size_t dims) {
  std::vector<double> x(dims);
  for (std::size_t i = 0; i < dims; ++i) x[i] = as_number(point.find(fmt::format("x{}", i))->second);
  return x;
}

double branin(double x, double y) {
  constexpr double pi = std::numbers::pi;
  const double a = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
  return a * a + 10 * (1 - 1 / (8 * pi)) * std::cos(x) + 10;
}

// Dixon and Szego 1978.
double hartmann6(std::span<const double> x) {
  constexpr std::array<double, 4> alpha{1.0, 1.2, 3.0, 3.2};
  constexpr std::array<std::array<double, 6>, 4> a{{{10, 3, 17, 3.5, 1.7, 8},
                                                    {0.05, 10, 17, 0.1, 8, 14},
                                                    {3, 3.5, 1.7, 10, 17, 8},
                                                    {17, 8, 0.05, 10, 0.1, 14}}};
  constexpr std::array<std::array<double, 6>, 4> p{{{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                                    {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                                    {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                                    {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}}};
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double exponent = 0;
    for (std::size_t j = 0; j < 6; ++j) exponent += a[i][j] * (x[j] - p[i][j]) * (x[j] - p[i][j]);
    sum -= alpha[i] * std::exp(-exponent);
  }
  return sum;
}

constexpr double kHartmannMinimum = -3.3223680114155147;

double ackley(std::span<const double> x) {
  double squares = 0, cosines = 0;
  for (const double v : x) {
    squares += v * v;
    cosines += std::cos(2 * std::numbers::pi * v);
  }
  const auto n = static_cast<double>(x.size());
  return -20 * std::exp(-0.2 * std::sqrt(squares / n)) - std::exp(cosines / n) + 20 + std::numbers::e;
}

Problem mixed() {
  // Like a training program: the best learning rate depends on the optimizer, momentum exists for sgd
  // alone, and the best optimizer is the one whose valley is narrowest.
  Space space({{"optimizer", CategoricalDomain{{Value{"sgd"}, Value{"adam"}, Value{"rms"}}, false}, {}},
               {"rate", RealDomain{1e-5, 1, Scale::log, {}}, {}},
               {"momentum", RealDomain{0, 1, Scale::linear, {}}, {{"optimizer", {Value{"sgd"}}}}},
               {"layers", IntegerDomain{1, 8, Scale::linear, 1}, {}},
               {"dropout", RealDomain{0, 0.8, Scale::linear, {}}, {}}});
  const auto objective = [](const Parameters& point) {
    const std::string kind = to_string(point.find("optimizer")->second);
    const double rate = std::log10(as_number(point.find("rate")->second));
    const double layers = as_number(point.find("layers")->second);
    const double dropout = as_number(point.find("dropout")->second);
    double value = 0.05 * (layers - 5) * (layers - 5) + 4 * (dropout - 0.25) * (dropout - 0.25);
    if (kind == "sgd") {
      const double momentum = as_number(point.find("momentum")->second);
      value += 0.6 * std::pow(rate + 1.3 + momentum, 2) + 5 * std::pow(momentum - 0.85, 2);
    } else if (kind == "adam") {
      value += 0.3 + 0.4 * std::pow(rate + 3, 2);
    } else {
      value += 0.5 + 0.3 * std::pow(rate + 2.5, 2);
    }
    return value;
  };
  return {"mixed", std::move(space), objective, 0.0, 0.1};
}

}  // namespace

std::vector<Problem> smoke_problems() {
  std::vector<Problem> problems;
  problems.push_back({"Branin",
                      Space({{"x0", RealDomain{-5, 10, Scale::linear, {}}, {}},
                             {"x1", RealDomain{0, 15, Scale::linear, {}}, {}}}),
                      [](const Parameters& point) {
                        const auto x = coordinates(point, 2);
                        return branin(x[0], x[1]);
                      },
                      0.39788735772973816, 0.1});
  problems.push_back({"Hartmann-6", cube(6, 0, 1),
                      [](const Parameters& point) { return hartmann6(coordinates(point, 6)); },
                      kHartmannMinimum, 0.1});
  problems.push_back({"Ackley-10", cube(10, -32.768, 32.768),
                      [](const Parameters& point) {
                        auto x = coordinates(point, 10);
                        for (std::size_t i = 0; i < x.size(); ++i) {
                          x[i] -= 12 * std::sin(1 + 2.4 * static_cast<double>(i));
                        }
                        return ackley(x);
                      },
                      0.0, 1.0 / 3});
  problems.push_back(mixed());
  return problems;
}

Problem ten_parameters() {
  return {"Hartmann-6 and a bowl in 4", cube(10, 0, 1),
          [](const Parameters& point) {
            const auto x = coordinates(point, 10);
            double sum = hartmann6(std::span(x).first(6));
            for (std::size_t i = 6; i < 10; ++i) sum += (x[i] - 0.3) * (x[i] - 0.3);
            return sum;
          },
          kHartmannMinimum, 0.1};
}

}  // namespace krigon::bench
