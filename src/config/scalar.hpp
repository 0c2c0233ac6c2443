#pragma once

#include <string>
#include <string_view>

#include "config/document.hpp"
#include "core/quantity.hpp"
#include "krigon/value.hpp"

namespace krigon::detail {

/// What a scalar means, or why it means nothing.
struct Scalar {
  Value value;
  std::string why;  ///< not empty: refused, and this is the reason
};

/// The value that the text has by its spelling. In quotes it is text. Otherwise `true` and `false`
/// (also True, TRUE) are booleans, and only they; digits alone and 0x1F are 64-bit integers; numbers
/// with a point or an exponent are doubles (1e-5 included, which YAML 1.1 takes for text); all else is
/// text. Refused: not-finite numbers, numbers out of range, and leading zeros, which mean octal to
/// some and not to others.
Scalar scalar_value(const Node& node);

/// The node as an error message shows it: `"abc"`, `5`, `a list`, `nothing`.
std::string shown(const Node& node);

}  // namespace krigon::detail
