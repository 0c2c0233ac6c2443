#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/spec.hpp"

namespace krigon {

/// "10m", "2h", "1h30m", "45s", "500ms", "1.5h", or a number of seconds; nullopt for anything else.
std::optional<Milliseconds> parse_duration(std::string_view text);
/// "4G", "512M", "64k" (powers of 1024; GB and GiB mean the same), or a number of bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

namespace detail {

bool is_digit(char c);
/// How many digits stand in the text from position `i` on.
std::size_t digits_from(std::string_view text, std::size_t i);

}  // namespace detail

}  // namespace krigon
