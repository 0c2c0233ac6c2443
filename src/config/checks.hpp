#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krigon/space.hpp"

namespace krigon::detail {

/// Each of the following returns what is wrong in words, empty where nothing is.

/// A constraint, against the parameters that it may name.
std::string why_no_constraint(const std::string& text, const std::vector<Parameter>& parameters);
/// A regular expression that finds a metric in a line of output.
std::string why_no_pattern(const std::string& pattern);
/// A metric's name: letters, digits and "_./@:%-", a letter or '_' first; not "step".
std::string why_no_metric(std::string_view name);

/// [A-Za-z_][A-Za-z0-9_.-]*
bool valid_name(std::string_view name);
/// [A-Za-z_][A-Za-z0-9_]*
bool valid_variable(std::string_view name);
/// The variable that hands a parameter to a trial: KRIGON_PARAM_ and the name in upper case, with '_'
/// for what is no letter or digit.
std::string parameter_variable(std::string_view name);
/// `value` as the domain spells it (1.0 for 1 where it holds reals), nullopt where it is none of its.
std::optional<Value> in_domain(const Domain& domain, const Value& value);
/// What a parameter can be, in words.
std::string allowed_values(const Domain& domain);
/// `text` without `prefix` where it starts with that.
std::string without_prefix(std::string_view text, std::string_view prefix);

}  // namespace krigon::detail
