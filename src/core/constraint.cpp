#include "core/constraint.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <muParser.h>

#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

bool holds_text(const Domain& domain) {
  const auto is_text = [](const Value& v) { return std::holds_alternative<std::string>(v); };
  if (const auto* c = std::get_if<CategoricalDomain>(&domain))
    return std::any_of(c->values.begin(), c->values.end(), is_text);
  if (const auto* c = std::get_if<ConstantDomain>(&domain)) return is_text(c->value);
  return false;
}

std::string names_of(const std::vector<Parameter>& parameters) {
  std::string names;
  for (const auto& p : parameters) names += (names.empty() ? "" : ", ") + p.name;
  return names;
}

}  // namespace

struct Constraint::Impl {
  std::string text;
  std::vector<std::pair<std::string, double>> variables;  // filled before each evaluation
  mu::Parser parser;
  std::mutex lock;
};

Constraint::Constraint(std::string text, const std::vector<Parameter>& parameters)
    : impl_(std::make_unique<Impl>()) {
  impl_->text = std::move(text);
  const auto fail = [&](const std::string& why) {
    throw SpaceError(fmt::format("constraint \"{}\": {}", impl_->text, why));
  };
  try {
    impl_->parser.DefineNameChars("0123456789_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    impl_->parser.SetExpr(impl_->text);
    for (const auto& [name, unused] : impl_->parser.GetUsedVar()) {
      const auto known = std::find_if(parameters.begin(), parameters.end(),
                                      [&key = name](const Parameter& p) { return p.name == key; });
      if (known == parameters.end()) {
        fail(fmt::format("\"{}\" is no parameter (there are: {})", name, names_of(parameters)));
      }
      if (holds_text(known->domain)) {
        fail(fmt::format("\"{}\" holds text; only numbers and booleans can stand in a constraint", name));
      }
      impl_->variables.emplace_back(name, 1.0);
    }
    if (impl_->variables.empty()) fail("names no parameter");
    for (auto& [name, value] : impl_->variables) impl_->parser.DefineVar(name, &value);
    impl_->parser.Eval();  // compiles: what cannot be evaluated is found here and not in a trial
  } catch (const mu::Parser::exception_type& e) {
    fail(e.GetMsg());
  }
}

Constraint::~Constraint() = default;
Constraint::Constraint(Constraint&&) noexcept = default;
Constraint& Constraint::operator=(Constraint&&) noexcept = default;

const std::string& Constraint::text() const {
  return impl_->text;
}

bool Constraint::holds(const Parameters& point) const {
  const std::lock_guard guard(impl_->lock);
  for (auto& [name, value] : impl_->variables) {
    const auto found = point.find(name);
    if (found == point.end()) return true;
    value = as_number(found->second);
  }
  try {
    const double result = impl_->parser.Eval();
    return !std::isnan(result) && result != 0;
  } catch (const mu::Parser::exception_type& e) {
    throw SpaceError(fmt::format("constraint \"{}\": {}", impl_->text, e.GetMsg()));
  }
}

}  // namespace krigon::detail
