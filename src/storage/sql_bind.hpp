#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace krigon::detail {

/// Hands an argument of a statement to the engine's bind_null(), bind_integer(), bind_real() or bind_text():
/// a number, a text, or an optional of them.
template <class Query, class T>
void bind_argument(Query& query, const T& value) {
  if constexpr (std::is_integral_v<T>) {
    query.bind_integer(static_cast<std::int64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    query.bind_real(value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    query.bind_text(value);
  } else if (value) {
    bind_argument(query, *value);
  } else {
    query.bind_null();
  }
}

}  // namespace krigon::detail
