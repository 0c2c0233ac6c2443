#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/document.hpp"
#include "core/spec.hpp"
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

/// "10m", "2h", "1h30m", "45s", "500ms", "1.5h", or a number of seconds; nullopt for anything else.
std::optional<Milliseconds> parse_duration(std::string_view text);
/// "4G", "512M", "64k" (powers of 1024; GB and GiB mean the same), or a number of bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// The node as an error message shows it: `"abc"`, `5`, `a list`, `nothing`.
std::string shown(const Node& node);

}  // namespace krigon::detail
