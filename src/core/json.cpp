#include <cmath>

#include <fmt/format.h>

#include "core/spec.hpp"
#include "krigon/error.hpp"

namespace krigon {

using nlohmann::json;

json to_json(const Value& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

json to_json(const Parameters& parameters) {
  json object = json::object();
  for (const auto& [name, value] : parameters) object[name] = to_json(value);
  return object;
}

json metrics_to_json(const Metrics& metrics) {
  json object = json::object();
  for (const auto& [name, value] : metrics) object[name] = value;
  return object;
}

Value value_from_json(const json& value) {
  switch (value.type()) {
    case json::value_t::boolean:
      return value.get<bool>();
    case json::value_t::number_integer:
      return value.get<std::int64_t>();
    case json::value_t::number_unsigned:
      if (value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
        throw SpaceError(fmt::format("the integer {} is too large", value.dump()));
      }
      return value.get<std::int64_t>();
    case json::value_t::number_float:
      return value.get<double>();
    case json::value_t::string:
      return value.get<std::string>();
    default:
      throw SpaceError(fmt::format("found {}, expected a number, a text, true or false", value.dump()));
  }
}

Parameters parameters_from_json(const json& object) {
  if (!object.is_object())
    throw SpaceError(fmt::format("found {}, expected an object of parameters", object.dump()));
  Parameters parameters;
  for (const auto& [name, value] : object.items()) parameters[name] = value_from_json(value);
  return parameters;
}

Metrics metrics_from_json(const json& object) {
  if (!object.is_object())
    throw UsageError(fmt::format("found {}, expected an object of metrics", object.dump()));
  Metrics metrics;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      throw UsageError(fmt::format("metric \"{}\": found {}, expected a finite number", name, value.dump()));
    }
    metrics[name] = value.get<double>();
  }
  return metrics;
}

namespace {

json domain_to_json(const Domain& domain) {
  struct Visitor {
    json operator()(const RealDomain& d) const {
      json j{{"min", d.min}, {"max", d.max}, {"type", d.scale == Scale::log ? "log" : "linear"}};
      if (d.step) j["step"] = *d.step;
      return j;
    }
    json operator()(const IntegerDomain& d) const {
      json j{{"min", d.min}, {"max", d.max}, {"type", d.scale == Scale::log ? "log-int" : "int"}};
      if (d.step != 1) j["step"] = d.step;
      return j;
    }
    json operator()(const CategoricalDomain& d) const {
      json values = json::array();
      for (const auto& v : d.values) values.push_back(to_json(v));
      json j{{"values", values}};
      if (d.ordered) j["ordered"] = true;
      return j;
    }
    json operator()(const ConstantDomain& d) const { return {{"value", to_json(d.value)}}; }
  };
  return std::visit(Visitor{}, domain);
}

Domain domain_from_json(const json& j) {
  if (j.contains("value")) return ConstantDomain{value_from_json(j.at("value"))};
  if (j.contains("values")) {
    CategoricalDomain d;
    for (const auto& v : j.at("values")) d.values.push_back(value_from_json(v));
    d.ordered = j.value("ordered", false);
    return d;
  }
  const auto type = j.at("type").get<std::string>();
  if (type == "int" || type == "log-int") {
    return IntegerDomain{j.at("min").get<std::int64_t>(), j.at("max").get<std::int64_t>(),
                         type == "int" ? Scale::linear : Scale::log, j.value("step", std::int64_t{1})};
  }
  RealDomain d{
      j.at("min").get<double>(), j.at("max").get<double>(), type == "log" ? Scale::log : Scale::linear, {}};
  if (j.contains("step")) d.step = j.at("step").get<double>();
  return d;
}

}  // namespace

json to_json(const Space& space) {
  // An array, not an object: the order of the parameters is part of the space.
  json parameters = json::array();
  for (const auto& p : space.parameters()) {
    json j = domain_to_json(p.domain);
    j["name"] = p.name;
    for (const auto& condition : p.when) {
      json values = json::array();
      for (const auto& v : condition.values) values.push_back(to_json(v));
      j["when"][condition.parameter] = std::move(values);
    }
    parameters.push_back(std::move(j));
  }
  return {{"parameters", std::move(parameters)}, {"constraints", space.constraints()}};
}

Space space_from_json(const json& j) {
  try {
    std::vector<Parameter> parameters;
    for (const auto& entry : j.at("parameters")) {
      Parameter p{entry.at("name").get<std::string>(), domain_from_json(entry), {}};
      if (entry.contains("when")) {
        for (const auto& [parent, values] : entry.at("when").items()) {
          Condition condition{parent, {}};
          for (const auto& v : values) condition.values.push_back(value_from_json(v));
          p.when.push_back(std::move(condition));
        }
      }
      parameters.push_back(std::move(p));
    }
    return Space(std::move(parameters), j.at("constraints").get<std::vector<std::string>>());
  } catch (const json::exception& e) {
    throw StorageError(fmt::format("the stored search space cannot be read: {}", e.what()));
  }
}

}  // namespace krigon
