#pragma once

#include "config/field.hpp"
#include "core/spec.hpp"

namespace krigon::detail {

/// The section `budget`.
BudgetSpec read_budget(const Field& field);

/// The section `resources` of a study that runs `parallel` trials at a time.
ResourceSpec read_resources(const Field& field, std::int64_t parallel);

}  // namespace krigon::detail
