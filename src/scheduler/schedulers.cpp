#include "scheduler/schedulers.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "krigon/error.hpp"
#include "scheduler/asha.hpp"
#include "scheduler/median.hpp"
#include "scheduler/none.hpp"

namespace krigon {
namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Scheduler> (*make)(const EarlyStopping&);
};

template <class S>
std::unique_ptr<Scheduler> make(const EarlyStopping& options) {
  return std::make_unique<S>(options);
}

constexpr std::array<Entry, 3> kSchedulers{{
    {"none", make<NoScheduler>},
    {"asha", make<AshaScheduler>},
    {"median", make<MedianScheduler>},
}};

void check(const EarlyStopping& options) {
  if (options.min_steps < 1) {
    throw UsageError(fmt::format("early_stopping: min_steps is {}, allowed: 1 or more", options.min_steps));
  }
  if (options.max_steps < 0 || (options.max_steps > 0 && options.max_steps < options.min_steps)) {
    throw UsageError(
        fmt::format("early_stopping: max_steps is {}, allowed: 0 (not known) or at least min_steps, {}",
                    options.max_steps, options.min_steps));
  }
  if (!std::isfinite(options.reduction) || options.reduction <= 1) {
    throw UsageError(
        fmt::format("early_stopping: reduction is {}, allowed: a number above 1", options.reduction));
  }
  if (options.startup < 0) {
    throw UsageError(fmt::format("early_stopping: startup is {}, allowed: 0 or more", options.startup));
  }
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const EarlyStopping& options) {
  for (const auto& entry : kSchedulers) {
    if (entry.name != options.type) continue;
    check(options);
    return entry.make(options);
  }
  throw UsageError(fmt::format("early_stopping: there is no type '{}', allowed: {}", options.type,
                               fmt::join(scheduler_names(), ", ")));
}

std::vector<std::string_view> scheduler_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : kSchedulers) names.push_back(entry.name);
  return names;
}

}  // namespace krigon
