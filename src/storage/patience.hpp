#pragma once

#include <chrono>

namespace krigon::detail {

/// How long a store may be locked by others, or its server be away, before that is an error.
inline constexpr std::chrono::seconds kPatience{30};

}  // namespace krigon::detail
