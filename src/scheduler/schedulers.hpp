#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"

namespace krigon {

/// The scheduler that `options.type` names. Throws UsageError, naming what is allowed, for an unknown
/// type or an option outside its range (min_steps >= 1, max_steps 0 or >= min_steps, reduction > 1,
/// startup >= 0).
std::unique_ptr<Scheduler> make_scheduler(const EarlyStopping& options);

/// The types that make_scheduler() knows, in the order in which they are listed to people.
std::vector<std::string_view> scheduler_names();

}  // namespace krigon
