#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/predictor.hpp"
#include "core/scheduler.hpp"
#include "krigon/study.hpp"

namespace krigon {

/// What rules may need besides their options.
struct SchedulerMeans {
  Direction direction = Direction::minimize;       ///< of the objective that `bound` is a value of
  std::shared_ptr<Predictor> predictor = nullptr;  ///< of `curve`, which stops nothing without
};

/// The scheduler that `options.type` names. Throws UsageError, naming what is allowed, for an unknown
/// type or an option outside its range, that of an option which this type does not use included.
std::unique_ptr<Scheduler> make_study_scheduler(const EarlyStopping& options, const SchedulerMeans& means);

/// The same with the means at their defaults: what it takes to check the options.
std::unique_ptr<Scheduler> make_scheduler(const EarlyStopping& options);

/// The types that make_scheduler() knows, in the order in which they are listed to people.
std::vector<std::string_view> scheduler_names();

}  // namespace krigon
