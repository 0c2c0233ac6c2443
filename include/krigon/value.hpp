#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#pragma GCC visibility push(default)

namespace krigon {

/// One parameter's value as the user sees it, never as the model encodes it.
using Value = std::variant<bool, std::int64_t, double, std::string>;

/// A point of the search space: active parameters only, an inactive one is absent.
using Parameters = std::map<std::string, Value, std::less<>>;

/// Named results of a trial, at a step or final. All finite.
using Metrics = std::map<std::string, double, std::less<>>;

/// The value as text: doubles shortest that reads back to the same bits, booleans true/false,
/// strings unquoted. This is what `{name}` becomes in a trial's command.
std::string to_string(const Value& value);

/// A double as the shortest text that reads back to the same bits ("0.1", "1e-05", "3").
std::string to_string(double value);

/// Equal in type and bits; 1 and 1.0 differ.
bool same_value(const Value& a, const Value& b);

/// The value as a number: bool as 0/1. Throws SpaceError for a string.
double as_number(const Value& value);

}  // namespace krigon

#pragma GCC visibility pop
