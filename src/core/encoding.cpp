#include "core/encoding.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace krigon {
namespace {

// Beyond this many cells (k + 1/2) / cells is no longer told from its neighbours after rounding.
constexpr std::int64_t kMostCells = std::int64_t{1} << 50;
// On a log scale exp(ln v) is off by about 40 ulp: integers keep this many significant bits.
constexpr int kLogBits = 40;

std::int64_t real_levels(const RealDomain& d) {
  // As Space::size: the slack keeps max itself where rounding put it a hair outside.
  return static_cast<std::int64_t>(std::floor((d.max - d.min) / *d.step * (1 + 1e-12))) + 1;
}

double stepped(const RealDomain& d, std::int64_t level) {
  return std::clamp(d.min + static_cast<double>(level) * *d.step, d.min, d.max);
}

double snap(double u) {
  return std::round(std::clamp(u, 0.0, 1.0) * 0x1p32) * 0x1p-32;
}

double keep_bits(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  if (exponent <= kLogBits) return value;
  return std::ldexp(std::round(std::ldexp(fraction, kLogBits)), exponent - kLogBits);
}

// The value of a parameter that cannot vary.
const Value& only_value(const Domain& domain) {
  if (const auto* constant = std::get_if<ConstantDomain>(&domain)) return constant->value;
  return std::get<CategoricalDomain>(domain).values.front();
}

}  // namespace

Encoding::Encoding(Space space) : space_(std::move(space)) {
  const auto& parameters = space_.parameters();
  std::vector<std::optional<std::size_t>> coordinate_of(parameters.size());
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    Coordinate c{p, Axis::continuous, 0};
    Ruler r;
    if (const auto* real = std::get_if<RealDomain>(&parameters[p].domain)) {
      r.log = real->scale == Scale::log;
      r.low = r.log ? std::log(real->min) : real->min;
      r.high = r.log ? std::log(real->max) : real->max;
      if (real->step) c = {p, Axis::ordered, real_levels(*real)};
    } else if (const auto* integer = std::get_if<IntegerDomain>(&parameters[p].domain)) {
      c = {p, Axis::ordered, (integer->max - integer->min) / integer->step + 1};
      r.log = integer->scale == Scale::log;
      if (r.log) {
        r.low = std::log(static_cast<double>(integer->min) - 0.5);
        r.high = std::log(static_cast<double>(integer->max) + 0.5);
      }
    } else if (const auto* list = std::get_if<CategoricalDomain>(&parameters[p].domain)) {
      c = {p, list->ordered ? Axis::ordered : Axis::categorical,
           static_cast<std::int64_t>(list->values.size())};
    } else {
      continue;
    }
    if (c.axis != Axis::continuous) {
      if (c.levels < 2) continue;
      r.width = (c.levels + kMostCells - 1) / kMostCells;
      r.cells = (c.levels + r.width - 1) / r.width;
    }
    coordinate_of[p] = coordinates_.size();
    first_column_.push_back(column_coordinate_.size());
    column_coordinate_.insert(column_coordinate_.end(),
                              c.axis == Axis::categorical ? static_cast<std::size_t>(c.levels) : 1,
                              coordinates_.size());
    coordinates_.push_back(c);
    rulers_.push_back(r);
  }

  std::vector<std::optional<std::size_t>> node_of(parameters.size());
  for (const std::size_t p : space_.order()) {
    Node node{p, coordinate_of[p], {}};
    for (const auto& condition : parameters[p].when) node.tests.push_back(make_test(condition, node_of));
    conditional_ = conditional_ || !node.tests.empty();
    node_of[p] = nodes_.size();
    nodes_.push_back(std::move(node));
  }
}

Encoding::Test Encoding::make_test(const Condition& condition,
                                   std::span<const std::optional<std::size_t>> node_of) {
  Test test;
  const auto& parameters = space_.parameters();
  const auto parent = static_cast<std::size_t>(space_.find(condition.parameter) - parameters.data());
  test.parent = *node_of[parent];
  const auto& coordinate = nodes_[test.parent].coordinate;
  if (!coordinate) {
    const Value& value = only_value(parameters[parent].domain);
    test.always = std::any_of(condition.values.begin(), condition.values.end(),
                              [&](const Value& v) { return same_value(v, value); });
    return test;
  }
  for (const auto& value : condition.values) {
    if (coordinates_[*coordinate].axis == Axis::continuous) {
      const double real = std::get<double>(value);
      test.places.push_back(place_of_real(*coordinate, real));
      rulers_[*coordinate].exact.emplace_back(test.places.back(), real);
    } else if (const auto place = place_of(*coordinate, value)) {
      // A stepped real that is not bit for bit the value of its level can never be met.
      if (same_value(value_at(*coordinate, *place), value)) test.levels.push_back(level(*coordinate, *place));
    }
  }
  return test;
}

bool Encoding::node_active(const Node& node, std::span<const double> u,
                           const std::vector<bool>& node_flags) const {
  return std::all_of(node.tests.begin(), node.tests.end(), [&](const Test& test) {
    if (!node_flags[test.parent]) return false;
    const auto& coordinate = nodes_[test.parent].coordinate;
    if (!coordinate) return test.always;
    if (coordinates_[*coordinate].axis == Axis::continuous) {
      const double at = snap(u[*coordinate]);
      return std::find(test.places.begin(), test.places.end(), at) != test.places.end();
    }
    const std::int64_t at = level(*coordinate, u[*coordinate]);
    return std::find(test.levels.begin(), test.levels.end(), at) != test.levels.end();
  });
}

std::vector<bool> Encoding::nodes_active(std::span<const double> u) const {
  std::vector<bool> flags(nodes_.size(), true);
  if (!conditional_) return flags;
  for (std::size_t n = 0; n < nodes_.size(); ++n) flags[n] = node_active(nodes_[n], u, flags);
  return flags;
}

std::vector<bool> Encoding::active(std::span<const double> u) const {
  std::vector<bool> flags(dims(), true);
  if (!conditional_) return flags;
  const auto nodes = nodes_active(u);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].coordinate) flags[*nodes_[n].coordinate] = nodes[n];
  }
  return flags;
}

double Encoding::real_at(std::size_t i, double u) const {
  const auto& d = std::get<RealDomain>(space_.parameters()[coordinates_[i].parameter].domain);
  const double snapped = snap(u);
  const Ruler& r = rulers_[i];
  for (const auto& [place, value] : r.exact) {
    if (place == snapped) return value;
  }
  if (snapped <= 0) return d.min;
  if (snapped >= 1) return d.max;
  const double at = std::lerp(r.low, r.high, snapped);
  return std::clamp(r.log ? std::exp(at) : at, d.min, d.max);
}

double Encoding::place_of_real(std::size_t i, double value) const {
  const Ruler& r = rulers_[i];
  return snap(((r.log ? std::log(value) : value) - r.low) / (r.high - r.low));
}

std::int64_t Encoding::level(std::size_t i, double u) const {
  const Coordinate& c = coordinates_[i];
  const Ruler& r = rulers_[i];
  const double inside = std::clamp(u, 0.0, 1.0);
  if (r.log) {
    const auto& d = std::get<IntegerDomain>(space_.parameters()[c.parameter].domain);
    const double value = keep_bits(std::round(std::exp(std::lerp(r.low, r.high, inside))));
    return std::clamp(static_cast<std::int64_t>(value), d.min, d.max) - d.min;
  }
  const auto cell = std::min(static_cast<std::int64_t>(inside * static_cast<double>(r.cells)), r.cells - 1);
  return std::min(cell * r.width + r.width / 2, c.levels - 1);
}

double Encoding::place(std::size_t i, std::int64_t level) const {
  const Coordinate& c = coordinates_[i];
  const Ruler& r = rulers_[i];
  if (r.log) {
    const auto& d = std::get<IntegerDomain>(space_.parameters()[c.parameter].domain);
    return std::clamp((std::log(static_cast<double>(d.min + level)) - r.low) / (r.high - r.low), 0.0, 1.0);
  }
  const std::int64_t cell = level / r.width;
  return (static_cast<double>(cell) + 0.5) / static_cast<double>(r.cells);
}

Value Encoding::value_at(std::size_t i, double u) const {
  const Coordinate& c = coordinates_[i];
  const Domain& domain = space_.parameters()[c.parameter].domain;
  if (c.axis == Axis::continuous) return real_at(i, u);
  const std::int64_t at = level(i, u);
  if (const auto* real = std::get_if<RealDomain>(&domain)) return stepped(*real, at);
  if (const auto* integer = std::get_if<IntegerDomain>(&domain)) return integer->min + at * integer->step;
  return std::get<CategoricalDomain>(domain).values[static_cast<std::size_t>(at)];
}

std::optional<double> Encoding::place_of(std::size_t i, const Value& value) const {
  const Domain& domain = space_.parameters()[coordinates_[i].parameter].domain;
  if (const auto* real = std::get_if<RealDomain>(&domain)) {
    const auto* v = std::get_if<double>(&value);
    if (v == nullptr || !(*v >= real->min && *v <= real->max)) return std::nullopt;
    if (!real->step) return place_of_real(i, *v);
    const auto at = static_cast<std::int64_t>(std::round((*v - real->min) / *real->step));
    if (at >= coordinates_[i].levels) return std::nullopt;
    // The tolerance of Space::validate.
    const double off = std::abs(*v - (real->min + static_cast<double>(at) * *real->step));
    if (off > 1e-9 * std::max(*real->step, std::abs(*v))) return std::nullopt;
    return place(i, at);
  }
  if (const auto* integer = std::get_if<IntegerDomain>(&domain)) {
    const auto* v = std::get_if<std::int64_t>(&value);
    if (v == nullptr || *v < integer->min || *v > integer->max || (*v - integer->min) % integer->step != 0) {
      return std::nullopt;
    }
    return place(i, (*v - integer->min) / integer->step);
  }
  const auto& values = std::get<CategoricalDomain>(domain).values;
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const Value& v) { return same_value(v, value); });
  if (found == values.end()) return std::nullopt;
  return place(i, found - values.begin());
}

std::optional<std::vector<double>> Encoding::encode(const Parameters& point) const {
  const auto& parameters = space_.parameters();
  std::vector<double> u(dims(), kImputed);
  std::size_t present = 0;
  for (const Node& node : nodes_) {
    const auto& parameter = parameters[node.parameter];
    if (!space_.active(parameter, point)) continue;
    const auto found = point.find(parameter.name);
    if (found == point.end()) return std::nullopt;
    ++present;
    if (!node.coordinate) {
      if (!same_value(found->second, only_value(parameter.domain))) return std::nullopt;
    } else if (const auto place = place_of(*node.coordinate, found->second)) {
      u[*node.coordinate] = *place;
    } else {
      return std::nullopt;
    }
  }
  if (present != point.size()) return std::nullopt;
  return u;
}

Parameters Encoding::decode(std::span<const double> u) const {
  const auto flags = nodes_active(u);
  Parameters point;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (!flags[n]) continue;
    const auto& parameter = space_.parameters()[nodes_[n].parameter];
    const auto& coordinate = nodes_[n].coordinate;
    point.emplace(parameter.name,
                  coordinate ? value_at(*coordinate, u[*coordinate]) : only_value(parameter.domain));
  }
  return point;
}

void Encoding::canonicalise(std::span<double> u) const {
  const auto flags = active(u);
  for (std::size_t i = 0; i < dims(); ++i) {
    if (!flags[i]) {
      u[i] = kImputed;
    } else if (coordinates_[i].axis == Axis::continuous) {
      u[i] = place_of_real(i, real_at(i, u[i]));
    } else {
      u[i] = place(i, level(i, u[i]));
    }
  }
}

bool Encoding::feasible(std::span<const double> u) const {
  return space_.constraints().empty() || space_.feasible(decode(u));
}

void Encoding::expand(std::span<const double> u, std::span<double> row) const {
  std::fill(row.begin(), row.end(), 0.0);
  std::vector<bool> flags(dims(), true);
  if (columns() > dims()) flags = active(u);
  for (std::size_t i = 0; i < dims(); ++i) {
    if (coordinates_[i].axis != Axis::categorical) {
      row[first_column_[i]] = u[i];
    } else if (flags[i]) {
      row[first_column_[i] + static_cast<std::size_t>(level(i, u[i]))] = 1 / std::numbers::sqrt2;
    }
  }
}

void Encoding::pull_back(std::span<const double> row_gradient, std::span<double> gradient) const {
  for (std::size_t i = 0; i < dims(); ++i) {
    gradient[i] = coordinates_[i].axis == Axis::categorical ? 0.0 : row_gradient[first_column_[i]];
  }
}

}  // namespace krigon
