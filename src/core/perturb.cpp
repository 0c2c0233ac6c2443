#include "core/perturb.hpp"

#include <algorithm>
#include <cmath>

#include "core/random.hpp"

namespace krigon {
namespace {

constexpr int kMostTries = 100;

std::int64_t levels(const RealDomain& d) {
  return static_cast<std::int64_t>(std::floor((d.max - d.min) / *d.step + 1e-9)) + 1;
}

double at_level(const RealDomain& d, std::int64_t level) {
  return std::min(d.max, d.min + static_cast<double>(level) * *d.step);
}

struct Draw {
  Random& random;

  Value operator()(const RealDomain& d) const {
    if (d.step) return at_level(d, static_cast<std::int64_t>(random.below(levels(d))));
    const double u = random.uniform();
    const double value = d.scale == Scale::log ? std::exp(std::log(d.min) + u * std::log(d.max / d.min))
                                               : d.min + u * (d.max - d.min);
    return std::clamp(value, d.min, d.max);
  }
  Value operator()(const IntegerDomain& d) const {
    if (d.scale == Scale::log) {  // each integer has the cell around it
      const double low = std::log(static_cast<double>(d.min) - 0.5);
      const double high = std::log(static_cast<double>(d.max) + 0.5);
      const auto near =
          static_cast<std::int64_t>(std::llround(std::exp(low + random.uniform() * (high - low))));
      return std::clamp(near, d.min, d.max);
    }
    return d.min + d.step * static_cast<std::int64_t>(random.below((d.max - d.min) / d.step + 1));
  }
  Value operator()(const CategoricalDomain& d) const { return d.values[random.below(d.values.size())]; }
  Value operator()(const ConstantDomain& d) const { return d.value; }
};

struct Perturb {
  Random& random;
  const Value& parent;

  double factor() const { return random.below(2) == 0 ? 0.8 : 1.2; }

  Value operator()(const RealDomain& d) const {
    const double value = std::get<double>(parent), by = factor();
    const double wanted = value != 0 ? value * by : (by > 1 ? 0.1 : -0.1) * (d.max - d.min);
    if (!d.step) return std::clamp(wanted, d.min, d.max);
    const auto level = std::llround((value - d.min) / *d.step);
    auto to = std::llround((wanted - d.min) / *d.step);
    if (to == level) to += wanted > value ? 1 : -1;
    return at_level(d, std::clamp<std::int64_t>(to, 0, levels(d) - 1));
  }
  Value operator()(const IntegerDomain& d) const {
    const auto value = std::get<std::int64_t>(parent);
    const double by = factor();
    const double wanted = value != 0 ? static_cast<double>(value) * by : by - 1;
    const std::int64_t level = (value - d.min) / d.step;
    auto to = static_cast<std::int64_t>(
        std::llround((wanted - static_cast<double>(d.min)) / static_cast<double>(d.step)));
    if (to == level) to += wanted > static_cast<double>(value) ? 1 : -1;
    return d.min + d.step * std::clamp<std::int64_t>(to, 0, (d.max - d.min) / d.step);
  }
  Value operator()(const CategoricalDomain& d) const {
    if (!d.ordered) return parent;
    const auto same = [&](const Value& value) { return to_string(value) == to_string(parent); };
    const auto level = std::find_if(d.values.begin(), d.values.end(), same) - d.values.begin();
    const auto last = static_cast<std::ptrdiff_t>(d.values.size()) - 1;
    return d.values[static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(level + (random.below(2) == 0 ? -1 : 1), 0, last))];
  }
  Value operator()(const ConstantDomain& d) const { return d.value; }
};

}  // namespace

Parameters perturb(const Space& space, const Parameters& parent, std::uint64_t seed, std::int64_t number,
                   double resample) {
  space.validate(parent);
  Random random(seed, static_cast<std::uint64_t>(number), Purpose::perturb);
  for (int i = 0; i < kMostTries; ++i) {
    Parameters point;
    for (const std::size_t index : space.order()) {
      const Parameter& parameter = space.parameters()[index];
      if (!space.active(parameter, point)) continue;
      const auto had = parent.find(parameter.name);
      const bool anew = random.uniform() < resample || had == parent.end();
      point[parameter.name] = anew ? std::visit(Draw{random}, parameter.domain)
                                   : std::visit(Perturb{random, had->second}, parameter.domain);
    }
    if (space.feasible(point)) return point;
  }
  return parent;
}

}  // namespace krigon
