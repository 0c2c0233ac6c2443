#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/shell.hpp"
#include "krigon/space.hpp"
#include "krigon/value.hpp"

namespace krigon::cli {

/// "name=value" split at the first '='. Throws UsageError where there is none or no name.
std::pair<std::string, std::string> split_assignment(std::string_view word);

/// A value of the parameter from its text, by the parameter's own kind. Throws UsageError naming the
/// parameter, what was found and what is allowed. Bounds are for Space to check.
Value parse_value(const Parameter& parameter, std::string_view text);

/// Parameters from "name=value" words. Throws UsageError for unknown or doubled names.
Parameters parse_parameters(const Space& space, const std::vector<std::string>& words);

/// A finite number, all of `text`. Throws UsageError that begins with `what`.
double parse_number(std::string_view text, std::string_view what);
/// An integer, all of `text`. Throws UsageError that begins with `what`.
std::int64_t parse_integer(std::string_view text, std::string_view what);

/// The values as text, a comma between.
std::string list_of(const std::vector<Value>& values);

/// KRIGON_PARAM_<NAME>: upper case, with '_' for what no variable's name may hold.
std::string variable_name(std::string_view parameter);

/// "name=value" of all parameters in the space's order, a blank between; every digit of the values.
std::string parameters_line(const Space& space, const Parameters& parameters);
/// The same for a person's eye: reals with six digits.
std::string short_parameters_line(const Space& space, const Parameters& parameters);

}  // namespace krigon::cli
