#include "problems.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/encoding.hpp"

namespace krigon::bench {
namespace {

constexpr std::array<double, 9> kWeights{1, 0.6, 0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.02};
constexpr std::array<double, 9> kCentres{0.55, 0.3, 0.7, 0.5, 0.4, 0.6, 0.5, 0.5, 0.5};

const Encoding& encoding() {
  static const Encoding made{space()};
  return made;
}

Shape shape_at(Problem problem, const std::array<double, 9>& u, Random& random) {
  const auto q = [&](std::size_t first) {
    double sum = 0;
    for (std::size_t d = first; d < u.size(); ++d)
      sum += kWeights[d] * (u[d] - kCentres[d]) * (u[d] - kCentres[d]);
    return sum;
  };
  switch (problem) {
    case Problem::smooth:
      return {.asymptote = 0.1 + q(0), .rate = 0.4 + 0.6 * u[1], .noise = 0.01};
    case Problem::crossing:
      return {.asymptote = 0.1 + 0.35 * u[0] + 0.5 * q(1), .rate = 0.35 + 0.9 * u[0], .noise = 0.01};
    case Problem::hard:
      break;
  }
  Shape shape{.asymptote = 0.1 + q(0), .rate = 0.3 + 0.5 * u[1], .noise = 0.01 + 0.04 * u[3]};
  shape.plateau = static_cast<std::int64_t>(15 * u[2] * u[2]);
  shape.step_time = std::pow(3, u[4] - 0.5) * std::exp(0.3 * random.normal());
  if (random.uniform() < 1 / (1 + std::exp(20 * (0.8 - u[0])))) {
    shape.diverges = 2 + static_cast<std::int64_t>(random.below(kMaxSteps - 1));
  }
  return shape;
}

}  // namespace

std::string name_of(Problem problem) {
  return problem == Problem::smooth ? "smooth" : problem == Problem::crossing ? "crossing" : "hard";
}

const Space& space() {
  static const Space made = [] {
    std::vector<Parameter> parameters;
    for (int d = 0; d < 9; ++d) {
      parameters.push_back(
          {"x" + std::to_string(d), RealDomain{.min = 0.001, .max = 1, .scale = Scale::log}});
    }
    return Space(std::move(parameters));
  }();
  return made;
}

Shape shape_of(Problem problem, const Parameters& parameters, Random& random) {
  std::array<double, 9> u{};
  for (std::size_t d = 0; d < u.size(); ++d) {
    u[d] = 1 + std::log10(std::get<double>(parameters.at("x" + std::to_string(d)))) / 3;
  }
  return shape_at(problem, u, random);
}

Parameters random_point(std::uint64_t seed, std::int64_t number) {
  Random random(seed, static_cast<std::uint64_t>(number), Purpose::random_sampler);
  std::array<double, 9> u{};
  for (double& x : u) x = random.uniform();
  return encoding().decode(u);
}

Learner::Learner(const Learner& parent, const Shape& shape) : Learner(parent) {
  shape_ = shape;
}

void Learner::step() {
  ++t_;
  const auto k = static_cast<double>(t_ - shape_.plateau);
  if (k >= 1) excess_ *= std::pow(k / (k + 1), shape_.rate);
  if (diverged_ == 0 && t_ >= shape_.diverges) diverged_ = t_;
}

double Learner::loss() const {
  return diverged_ > 0 ? 2 + 0.1 * static_cast<double>(t_ - diverged_) : shape_.asymptote + excess_;
}

double quantile(Problem problem, double share) {
  constexpr std::size_t kDraws = 400'000;
  Random random(1'000'003, 0, Purpose::random_sampler);
  std::vector<double> losses;
  std::array<double, 9> u{};
  for (std::size_t i = 0; i < kDraws; ++i) {
    for (double& x : u) x = random.uniform();
    const Shape shape = shape_at(problem, u, random);
    const auto k = static_cast<double>(kMaxSteps - shape.plateau);
    losses.push_back(shape.diverges <= kMaxSteps ? 2.0 : shape.asymptote + std::pow(k + 1, -shape.rate));
  }
  const auto place = losses.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(kDraws));
  std::nth_element(losses.begin(), place, losses.end());
  return *place;
}

}  // namespace krigon::bench
