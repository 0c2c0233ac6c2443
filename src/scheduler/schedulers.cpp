#include "scheduler/schedulers.hpp"

#include <array>
#include <cmath>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "krigon/error.hpp"
#include "scheduler/asha.hpp"
#include "scheduler/asha_promote.hpp"
#include "scheduler/curve.hpp"
#include "scheduler/envelope.hpp"
#include "scheduler/hyperband.hpp"
#include "scheduler/none.hpp"
#include "scheduler/patience.hpp"
#include "scheduler/pbt.hpp"
#include "scheduler/percentile.hpp"
#include "scheduler/threshold.hpp"
#include "scheduler/wilcoxon.hpp"

namespace krigon {
namespace {

using Made = std::unique_ptr<Scheduler>;

struct Entry {
  std::string_view name;
  Made (*make)(const EarlyStopping&, const SchedulerMeans&);
};

[[noreturn]] void refuse(std::string_view option, const std::string& is, std::string_view allowed) {
  throw UsageError(fmt::format("early_stopping: {} is {}, allowed: {}", option, is, allowed));
}

void need_max_steps(const EarlyStopping& o) {
  if (o.max_steps < 1) refuse("max_steps", "0", fmt::format("1 or more with {}", o.type));
}

template <class S>
Made plain(const EarlyStopping& o, const SchedulerMeans&) {
  return std::make_unique<S>(o);
}

Made asha(const EarlyStopping& o, const SchedulerMeans&) {
  if (o.promote) return std::make_unique<AshaPromoteScheduler>(o);
  return std::make_unique<AshaScheduler>(o);
}

Made hyperband(const EarlyStopping& o, const SchedulerMeans&) {
  need_max_steps(o);
  return std::make_unique<HyperbandScheduler>(o, o.type);
}

Made median(const EarlyStopping& o, const SchedulerMeans&) {
  return std::make_unique<PercentileScheduler>(o, 50, o.type);
}

Made percentile(const EarlyStopping& o, const SchedulerMeans&) {
  return std::make_unique<PercentileScheduler>(o, o.percentile, o.type);
}

Made threshold(const EarlyStopping& o, const SchedulerMeans& means) {
  if (!o.bound) refuse("bound", "not given", "a value of the objective");
  return std::make_unique<ThresholdScheduler>(o,
                                              means.direction == Direction::minimize ? *o.bound : -*o.bound);
}

Made curve(const EarlyStopping& o, const SchedulerMeans& means) {
  need_max_steps(o);
  return std::make_unique<CurveScheduler>(o, means.predictor);
}

Made envelope(const EarlyStopping& o, const SchedulerMeans&) {
  need_max_steps(o);
  return std::make_unique<EnvelopeScheduler>(o);
}

Made pbt(const EarlyStopping& o, const SchedulerMeans&) {
  if (o.interval < 1) refuse("interval", std::to_string(o.interval), "1 or more");
  return std::make_unique<PbtScheduler>(o);
}

constexpr std::array<Entry, 12> kSchedulers{{
    {"none", plain<NoScheduler>},
    {"asha", asha},
    {"envelope", envelope},
    {"hyperband", hyperband},
    {"bohb", hyperband},
    {"median", median},
    {"percentile", percentile},
    {"patience", plain<PatienceScheduler>},
    {"threshold", threshold},
    {"wilcoxon", plain<WilcoxonScheduler>},
    {"curve", curve},
    {"pbt", pbt},
}};

/// Refuses what is not within the range; what is no number too.
void within(std::string_view option, double value, double least, double most) {
  if (value >= least && value <= most) return;
  refuse(option, to_string(value), fmt::format("{} to {}", to_string(least), to_string(most)));
}

void at_least(std::string_view option, std::int64_t value, std::int64_t least) {
  if (value < least) refuse(option, std::to_string(value), fmt::format("{} or more", least));
}

void check(const EarlyStopping& o) {
  at_least("min_steps", o.min_steps, 1);
  if (o.max_steps < 0 || (o.max_steps > 0 && o.max_steps < o.min_steps)) {
    refuse("max_steps", std::to_string(o.max_steps),
           fmt::format("0 (not known) or at least min_steps, {}", o.min_steps));
  }
  within("reduction", o.reduction, 1.1, 1000);
  at_least("startup", o.startup, 0);
  within("brackets", static_cast<double>(o.brackets), 1, 30);
  within("percentile", o.percentile, 0.1, 99.9);
  at_least("patience", o.patience, 1);
  if (!std::isfinite(o.delta) || o.delta < 0) refuse("delta", to_string(o.delta), "0 or more");
  if (o.bound && !std::isfinite(*o.bound)) refuse("bound", to_string(*o.bound), "a finite number");
  within("p_value", o.p_value, 1e-12, 0.5);
  within("probability", o.probability, 1e-12, 0.5);
  within("population", static_cast<double>(o.population), 2, 10'000);
  at_least("interval", o.interval, 0);
  within("quantile", o.quantile, 1e-4, 0.5);
  within("resample", o.resample, 0, 1);
}

}  // namespace

std::unique_ptr<Scheduler> make_study_scheduler(const EarlyStopping& options, const SchedulerMeans& means) {
  for (const auto& entry : kSchedulers) {
    if (entry.name != options.type) continue;
    check(options);
    return entry.make(options, means);
  }
  throw UsageError(fmt::format("early_stopping: there is no type '{}', allowed: {}", options.type,
                               fmt::join(scheduler_names(), ", ")));
}

std::unique_ptr<Scheduler> make_scheduler(const EarlyStopping& options) {
  return make_study_scheduler(options, {});
}

std::vector<std::string_view> scheduler_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : kSchedulers) names.push_back(entry.name);
  return names;
}

}  // namespace krigon
