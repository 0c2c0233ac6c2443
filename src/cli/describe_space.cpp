#include "cli/describe_space.hpp"

#include <variant>

#include <fmt/format.h>

#include "cli/values.hpp"
#include "render/human.hpp"

namespace krigon::cli {
namespace {

struct Kind {
  std::string operator()(const RealDomain& d) const { return d.scale == Scale::log ? "real, log" : "real"; }
  std::string operator()(const IntegerDomain& d) const {
    return d.scale == Scale::log ? "integer, log" : "integer";
  }
  std::string operator()(const CategoricalDomain& d) const { return d.ordered ? "ordered" : "categorical"; }
  std::string operator()(const ConstantDomain&) const { return "constant"; }
};

struct Range {
  std::string operator()(const RealDomain& d) const {
    const std::string step = d.step ? fmt::format(" step {}", to_string(*d.step)) : "";
    return fmt::format("{} to {}{}", to_string(d.min), to_string(d.max), step);
  }
  std::string operator()(const IntegerDomain& d) const {
    const std::string step = d.step != 1 ? fmt::format(" step {}", d.step) : "";
    return fmt::format("{} to {}{}", d.min, d.max, step);
  }
  std::string operator()(const CategoricalDomain& d) const { return list_of(d.values); }
  std::string operator()(const ConstantDomain& d) const { return to_string(d.value); }
};

}  // namespace

Table describe_space(const Space& space) {
  Table table{{{"parameter"}, {"kind"}, {"values"}}, {}};
  bool conditions = false;
  for (const auto& parameter : space.parameters()) conditions |= !parameter.when.empty();
  if (conditions) table.columns.push_back({"active when"});
  for (const auto& parameter : space.parameters()) {
    std::vector<Cell> row{parameter.name, std::visit(Kind{}, parameter.domain),
                          std::visit(Range{}, parameter.domain)};
    if (conditions) {
      std::string when;
      for (const auto& condition : parameter.when) {
        when += (when.empty() ? "" : " and ") + condition.parameter + " is " +
                (condition.values.size() > 1 ? "one of " : "") + list_of(condition.values);
      }
      row.emplace_back(when);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string describe_size(const Space& space) {
  const auto size = space.size();
  if (!size) return "infinitely many points";
  const bool parts = !space.constraints().empty();
  return fmt::format("{}{}", count_of(*size, "point"), parts ? " before constraints" : "");
}

}  // namespace krigon::cli
