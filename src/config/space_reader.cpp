#include "config/space_reader.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "config/checks.hpp"
#include "config/scalar.hpp"
#include "config/suggest.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

constexpr std::size_t kMostParameters = 1000;
constexpr std::size_t kMostValues = 1000;
constexpr std::size_t kMostConstraints = 1000;

const Field::WrongWords kWrongTypes{{"uniform", "write linear"},
                                    {"float", "write linear"},
                                    {"double", "write linear"},
                                    {"real", "write linear"},
                                    {"loguniform", "write log"},
                                    {"log-uniform", "write log"},
                                    {"log_uniform", "write log"},
                                    {"integer", "write int"},
                                    {"int-log", "write log-int"},
                                    {"log_int", "write log-int"},
                                    {"logint", "write log-int"},
                                    {"choice", "list the choices as {values: [...]}, without a type"},
                                    {"categorical", "list the choices as {values: [...]}, without a type"},
                                    {"bool", "write {values: [false, true]}, without a type"},
                                    {"boolean", "write {values: [false, true]}, without a type"},
                                    {"constant", "a constant is written without braces, as in name: 3"}};

const Field::WrongWords kWrongKeys{
    {"low", "write 'min'"},
    {"lower", "write 'min'"},
    {"high", "write 'max'"},
    {"upper", "write 'max'"},
    {"choices", "write 'values'"},
    {"options", "write 'values'"},
    {"value", "a constant is written without braces, as in name: 3"},
    {"log", "write 'type: log' or 'type: log-int'"},
    {"scale", "write 'type: log' or 'type: linear'"},
    {"distribution", "write 'type'"},
    {"if", "write 'when'"},
    {"condition", "write 'when'"},
    {"default", "there are no defaults; `krigon enqueue` tries a point of yours first"}};

/// A parameter as far as it could be read.
struct Draft {
  Field field;
  std::optional<Parameter> parameter;  ///< without `when`; absent: something in it is wrong
  Field when;
};

std::optional<Domain> read_integer_domain(Section& section, Scale scale) {
  const Field min = section.require("min", "the smallest value");
  const Field max = section.require("max", "the largest value");
  const Field step = section.take("step");
  const auto low = min.integer();
  const auto high = max.integer();
  const auto width = step.integer(1);
  if (!low || !high || (step && !width)) return std::nullopt;
  if (*low >= *high) {
    max.error(fmt::format("min ({}) must be below max ({})", *low, *high));
    return std::nullopt;
  }
  if (scale == Scale::log && *low < 1) {
    min.error(fmt::format("found {}; type log-int needs min of at least 1", *low));
    return std::nullopt;
  }
  if (step && scale == Scale::log) {
    step.error("step goes with type linear or int only");
    return std::nullopt;
  }
  // In unsigned arithmetic, where the distance between any two cannot overflow.
  const auto range = static_cast<std::uint64_t>(*high) - static_cast<std::uint64_t>(*low);
  if (width && static_cast<std::uint64_t>(*width) > range) {
    step.error(fmt::format("step ({}) is larger than max - min ({})", *width, range));
    return std::nullopt;
  }
  if (width && range % static_cast<std::uint64_t>(*width) != 0) {
    step.warning(fmt::format("max ({}) is never reached in steps of {} from {}", *high, *width, *low));
  }
  return IntegerDomain{*low, *high, scale, width.value_or(1)};
}

std::optional<Domain> read_real_domain(Section& section, Scale scale, bool typed) {
  const Field min = section.require("min", "the smallest value");
  const Field max = section.require("max", "the largest value");
  const Field step = section.take("step");
  const auto low = min.number();
  const auto high = max.number();
  const auto width = step.number();
  if (!low || !high || (step && !width)) return std::nullopt;
  if (!(*low < *high)) {
    max.error(fmt::format("min ({}) must be below max ({})", to_string(*low), to_string(*high)));
    return std::nullopt;
  }
  if (scale == Scale::log && *low <= 0) {
    min.error(fmt::format("found {}; type log needs min above 0", to_string(*low)));
    return std::nullopt;
  }
  if (step && scale == Scale::log) {
    step.error("step goes with type linear or int only");
    return std::nullopt;
  }
  if (width && !(*width > 0)) {
    step.error(fmt::format("found {}, expected a number above 0", to_string(*width)));
    return std::nullopt;
  }
  if (width && *width > *high - *low) {
    step.error(
        fmt::format("step ({}) is larger than max - min ({})", to_string(*width), to_string(*high - *low)));
    return std::nullopt;
  }
  if (width) {
    const double steps = (*high - *low) / *width;
    if (std::abs(steps - std::round(steps)) > 1e-9 * std::max(1.0, steps)) {
      step.warning(fmt::format("max ({}) is never reached in steps of {} from {}", to_string(*high),
                               to_string(*width), to_string(*low)));
    }
  }
  const auto whole = [](const Field& f) {
    const Scalar scalar = scalar_value(f.node());
    return std::holds_alternative<std::int64_t>(scalar.value);
  };
  if (!typed && !step && whole(min) && whole(max) && *high - *low >= 2) {
    min.warning(
        fmt::format("min and max are whole, and real numbers between them will be tried; write "
                    "'type: int' for integers, or 'type: linear' to say that this is meant"));
  }
  return RealDomain{*low, *high, scale, width};
}

std::optional<Domain> read_categorical(Section& section, const Field& values) {
  for (const char* key : {"min", "max", "type", "step"}) {
    if (const Field field = section.take(key)) {
      field.error(fmt::format(
          "'{}' does not go with 'values'; write either {{values: [...]}} or {{min: ..., max: ...}}", key));
    }
  }
  const Field ordered_field = section.take("ordered");
  const auto ordered = ordered_field.boolean();
  const auto items = values.items("values", "[32, 64, 128]");
  if (values.is(Node::Kind::list) && items.empty())
    values.error("found an empty list, expected at least one value");
  if (items.size() > kMostValues) {
    values.error(fmt::format("found {} values, expected at most {}", items.size(), kMostValues));
    return std::nullopt;
  }
  CategoricalDomain domain;
  domain.ordered = ordered.value_or(false);
  std::map<std::string, std::size_t> seen;
  for (const auto& item : items) {
    auto value = item.value();
    if (!value) continue;
    const auto [first, is_new] = seen.emplace(to_string(*value), seen.size() + 1);
    if (!is_new) {
      item.error(
          fmt::format("the value {} is there already, as item {}", in_quotes(first->first), first->second));
      continue;
    }
    domain.values.push_back(std::move(*value));
  }
  if (items.empty() || domain.values.size() < items.size() || (ordered_field && !ordered))
    return std::nullopt;
  return domain;
}

std::optional<Domain> read_domain(const Field& field, Field& when) {
  if (field.is(Node::Kind::scalar)) {
    auto value = field.value();
    if (!value) return std::nullopt;
    return ConstantDomain{std::move(*value)};
  }
  if (field.is(Node::Kind::list)) {
    field.error("found a list; write {values: [...]} where one of several is to be chosen");
    return std::nullopt;
  }
  if (!field.is(Node::Kind::map)) {
    field.error(fmt::format(
        "found {}, expected {{min: ..., max: ...}}, {{values: [...]}} or one value for a constant",
        shown(field.node())));
    return std::nullopt;
  }
  Section section(field);
  std::optional<Domain> domain;
  if (const Field values = section.take("values")) {
    domain = read_categorical(section, values);
  } else {
    const Field type = section.take("type");
    const auto word = type.word({"linear", "log", "int", "log-int"}, kWrongTypes);
    const bool integer = word && (*word == "int" || *word == "log-int");
    const Scale scale = word && (*word == "log" || *word == "log-int") ? Scale::log : Scale::linear;
    if (type && !word) {
      section.take("min"), section.take("max"), section.take("step");
    } else {
      domain = integer ? read_integer_domain(section, scale)
                       : read_real_domain(section, scale, static_cast<bool>(type));
    }
    if (const Field ordered = section.take("ordered")) {
      ordered.error("'ordered' goes with 'values' only");
      domain.reset();
    }
  }
  when = section.take("when");
  section.finish(kWrongKeys);
  return domain;
}

class SpaceReader {
 public:
  ReadSpace read(const Field& parameters, const Field& constraints);

 private:
  void read_parameter(const Field& field);
  void read_when(Draft& draft);
  std::optional<Value> condition_value(const Field& field, const Draft& parent) const;
  void find_circles() const;
  void read_constraints(const Field& field);

  std::vector<Draft> drafts_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::string, std::vector<std::string>> parents_;
  std::vector<std::string> constraints_;
};

void SpaceReader::read_parameter(const Field& field) {
  Draft draft{field, std::nullopt, field};
  const std::string& name = field.key();
  draft.when = Field(nullptr, field.line(), "", *field.diagnostics());
  auto domain = read_domain(field, draft.when);
  if (!valid_name(name)) {
    field.error("a parameter's name is made of letters, digits, '_', '.' and '-', a letter or '_' first");
  } else if (domain) {
    Parameter parameter{name, std::move(*domain)};
    try {
      const Space alone({parameter});
      draft.parameter = std::move(parameter);
    } catch (const SpaceError& e) {
      field.error(without_prefix(e.what(), fmt::format("parameter \"{}\": ", name)));
    }
  }
  index_[name] = drafts_.size();
  names_.push_back(name);
  drafts_.push_back(std::move(draft));
}

std::optional<Value> SpaceReader::condition_value(const Field& field, const Draft& parent) const {
  auto value = field.value();
  if (!value || !parent.parameter) return value;
  const Domain& domain = parent.parameter->domain;
  if (auto spelled = in_domain(domain, *value)) return spelled;
  std::vector<std::string> words;
  if (const auto* c = std::get_if<CategoricalDomain>(&domain)) {
    for (const auto& v : c->values) words.push_back(to_string(v));
  }
  field.error(fmt::format("{} is never {}{} (it can be: {})", parent.parameter->name, shown(field.node()),
                          did_you_mean(to_string(*value), words), allowed_values(domain)));
  return std::nullopt;
}

void SpaceReader::read_when(Draft& draft) {
  bool ok = true;
  for (const auto& field : draft.when.entries("conditions", "{optimizer: sgd}")) {
    const std::string& name = field.key();
    const auto found = index_.find(name);
    if (found == index_.end()) {
      field.error(fmt::format("there is no parameter of this name{} (parameters: {})",
                              did_you_mean(name, names_), listed(names_)));
      ok = false;
      continue;
    }
    parents_[draft.field.key()].push_back(name);
    const Draft& parent = drafts_[found->second];
    if (parent.parameter) {
      const auto* real = std::get_if<RealDomain>(&parent.parameter->domain);
      if (real != nullptr && !real->step) {
        field.error(
            fmt::format("{} is a real number, which is never met exactly; conditions take parameters with "
                        "values, integers, or reals with a step",
                        name));
        ok = false;
        continue;
      }
    }
    Condition condition{name, {}};
    std::vector<Field> items;
    if (field.is(Node::Kind::list)) {
      items = field.items("values", "[1, 2]");
    } else {
      items.push_back(field);
    }
    if (items.empty()) {
      field.error("found an empty list, expected at least one value");
      ok = false;
    }
    if (items.size() > kMostValues) {
      field.error(fmt::format("found {} values, expected at most {}", items.size(), kMostValues));
      ok = false;
      continue;
    }
    for (const auto& item : items) {
      auto value = condition_value(item, parent);
      ok = ok && value;
      if (value) condition.values.push_back(std::move(*value));
    }
    if (draft.parameter) draft.parameter->when.push_back(std::move(condition));
  }
  if (draft.when && !draft.when.is(Node::Kind::map)) ok = false;
  if (!ok) draft.parameter.reset();
}

void SpaceReader::find_circles() const {
  // What is left when parameters whose parents are all taken are taken again and again is circles, and
  // what hangs below them; circles alone are reported.
  std::set<std::string> left(names_.begin(), names_.end());
  const auto parent_left = [&](const std::string& name) -> const std::string* {
    const auto found = parents_.find(name);
    if (found == parents_.end()) return nullptr;
    const auto parent = std::find_if(found->second.begin(), found->second.end(),
                                     [&](const std::string& p) { return left.contains(p); });
    return parent == found->second.end() ? nullptr : &*parent;
  };
  const auto take_free = [&] {
    for (bool taken = true; taken;) {
      taken = std::erase_if(left, [&](const std::string& name) { return parent_left(name) == nullptr; }) > 0;
    }
  };
  for (take_free(); !left.empty(); take_free()) {
    // From anywhere, going to parents that are left comes back to a name seen before.
    std::vector<std::string> way;
    std::string at = *left.begin();
    while (std::find(way.begin(), way.end(), at) == way.end()) {
      way.push_back(at);
      at = *parent_left(at);
    }
    way.erase(way.begin(), std::find(way.begin(), way.end(), at));
    std::string circle;
    for (const auto& name : way) circle += name + " needs ";
    drafts_[index_.at(at)].when.error(fmt::format("the conditions go in a circle: {}{}", circle, at));
    for (const auto& name : way) left.erase(name);
  }
}

void SpaceReader::read_constraints(const Field& field) {
  std::vector<Parameter> known;
  for (const auto& draft : drafts_) {
    // A stand-in for a faulty one, so that its uses are not reported too.
    if (draft.parameter) {
      known.push_back(*draft.parameter);
    } else if (valid_name(draft.field.key())) {
      known.push_back({draft.field.key(), RealDomain{}});
    }
  }
  const auto items = field.items("conditions over parameters", "[\"batch_size * layers <= 512\"]");
  if (items.size() > kMostConstraints) {
    field.error(fmt::format("found {} constraints, expected at most {}", items.size(), kMostConstraints));
    return;
  }
  for (const auto& item : items) {
    const auto text = item.text();
    if (!text) continue;
    if (const std::string why = why_no_constraint(*text, known); !why.empty()) {
      item.error(why);
    } else {
      constraints_.push_back(*text);
    }
  }
}

ReadSpace SpaceReader::read(const Field& parameters, const Field& constraints) {
  ReadSpace result;
  const auto fields = parameters.entries("parameters", "{learning_rate: {min: 1e-5, max: 0.1, type: log}}");
  if (parameters.is(Node::Kind::map) && fields.empty())
    parameters.error("found an empty map, expected at least one parameter");
  if (fields.size() > kMostParameters) {
    parameters.error(fmt::format("found {} parameters, expected at most {}", fields.size(), kMostParameters));
    return result;
  }
  for (const auto& field : fields) read_parameter(field);
  for (auto& draft : drafts_) {
    if (draft.parameter && std::holds_alternative<ConstantDomain>(draft.parameter->domain)) {
      result.constants.push_back(draft.field.key());
    }
    if (!draft.when) continue;
    read_when(draft);
    result.conditional.push_back(draft.field.key());
  }
  find_circles();
  read_constraints(constraints);
  result.names = names_;
  if (parameters && parameters.diagnostics()->failed()) return result;
  std::vector<Parameter> whole;
  for (auto& draft : drafts_) {
    if (draft.parameter) whole.push_back(std::move(*draft.parameter));
  }
  try {
    result.space = Space(std::move(whole), constraints_);
  } catch (const SpaceError& e) {
    parameters.error(e.what());
  }
  return result;
}

}  // namespace

ReadSpace read_space(const Field& parameters, const Field& constraints) {
  return SpaceReader().read(parameters, constraints);
}

}  // namespace krigon::detail
