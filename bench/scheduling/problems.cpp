#include "problems.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <stdexcept>

#include "core/encoding.hpp"
#include "record.hpp"

namespace krigon::bench {
namespace {

constexpr std::array<double, 9> kWeights{1, 0.6, 0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.02};
constexpr std::array<double, 9> kCentres{0.55, 0.3, 0.7, 0.5, 0.4, 0.6, 0.5, 0.5, 0.5};

const Space& made_space() {
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

const Encoding& encoding() {
  static const Encoding made{made_space()};
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
    default:
      break;  // hard
  }
  Shape shape{.asymptote = 0.1 + q(0), .rate = 0.3 + 0.5 * u[1], .noise = 0.01 + 0.04 * u[3]};
  shape.plateau = static_cast<std::int64_t>(15 * u[2] * u[2]);
  shape.step_time = std::pow(3, u[4] - 0.5) * std::exp(0.3 * random.normal());
  if (random.uniform() < 1 / (1 + std::exp(20 * (0.8 - u[0])))) {
    shape.diverges = 2 + static_cast<std::int64_t>(random.below(kMaxSteps - 1));
  }
  return shape;
}

const Record& record_of(Problem problem) {
  static const auto records = [] {
    std::map<Problem, Record> read;
    for (const Problem each :
         {Problem::network_error, Problem::network_loss, Problem::boosting, Problem::logistic}) {
      const bool network = each == Problem::network_error || each == Problem::network_loss;
      read.emplace(each, Record(name_of(each), network ? "network" : name_of(each)));
    }
    return read;
  }();
  return records.at(problem);
}

}  // namespace

std::string name_of(Problem problem) {
  constexpr std::array kNames{"smooth",       "crossing", "hard",    "network-error",
                              "network-loss", "boosting", "logistic"};
  return kNames.at(static_cast<std::size_t>(problem));
}

bool is_recorded(Problem problem) {
  return problem > Problem::hard;
}

const Space& space(Problem problem) {
  return is_recorded(problem) ? record_of(problem).space() : made_space();
}

const std::vector<Parameters>& configurations(Problem problem) {
  return record_of(problem).parameters();
}

Shape shape_of(Problem problem, const Parameters& parameters, Random& random) {
  if (is_recorded(problem)) {
    const Record& record = record_of(problem);
    const auto number = record.number_of(parameters);
    if (!number) throw std::invalid_argument("a point of no recorded configuration");
    return {.recorded = record.curve(*number)};
  }
  std::array<double, 9> u{};
  for (std::size_t d = 0; d < u.size(); ++d) {
    u[d] = 1 + std::log10(std::get<double>(parameters.at("x" + std::to_string(d)))) / 3;
  }
  return shape_at(problem, u, random);
}

const Parameters& random_configuration(Problem problem, Random& random) {
  const auto& recorded = configurations(problem);
  return recorded[random.below(recorded.size())];
}

Shape random_shape(Problem problem, Random& random) {
  std::array<double, 9> u{};
  for (double& x : u) x = random.uniform();
  return shape_at(problem, u, random);
}

std::vector<Shape> recorded_shapes(Problem problem) {
  const Record& record = record_of(problem);
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < record.size(); ++i) shapes.push_back({.recorded = record.curve(i)});
  return shapes;
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
  if (!shape_.recorded.empty()) return shape_.recorded[static_cast<std::size_t>(t_ - 1)];
  return diverged_ > 0 ? 2 + 0.1 * static_cast<double>(t_ - diverged_) : shape_.asymptote + excess_;
}

double final_loss(const Shape& shape) {
  if (!shape.recorded.empty()) return shape.recorded.back();
  const auto k = static_cast<double>(kMaxSteps - shape.plateau);
  return shape.diverges <= kMaxSteps ? 2.0 : shape.asymptote + std::pow(k + 1, -shape.rate);
}

double quantile(Problem problem, double share) {
  std::vector<double> losses;
  if (is_recorded(problem)) {
    for (const Shape& shape : recorded_shapes(problem)) losses.push_back(final_loss(shape));
  } else {
    constexpr std::size_t kDraws = 400'000;
    Random random(1'000'003, 0, Purpose::random_sampler);
    for (std::size_t i = 0; i < kDraws; ++i) losses.push_back(final_loss(random_shape(problem, random)));
  }
  const auto reach = std::max(1.0, std::round(share * static_cast<double>(losses.size())));
  const auto place = losses.begin() + static_cast<std::ptrdiff_t>(reach) - 1;
  std::nth_element(losses.begin(), place, losses.end());
  return *place;
}

}  // namespace krigon::bench
