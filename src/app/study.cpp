#include "krigon/study.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "app/wiring.hpp"
#include "core/records.hpp"
#include "manager/manager.hpp"
#include "worker/run_loop.hpp"

namespace krigon {
namespace {

StudySpec spec_of(Space space, StudyOptions options) {
  StudySpec spec;
  spec.name = std::move(options.name);
  spec.objectives = {std::move(options.objective)};
  spec.space = std::move(space);
  spec.early_stopping = std::move(options.early_stopping);
  spec.sampler.type = std::move(options.sampler);
  spec.seed = options.seed;
  return spec;
}

TrialView view_of(const TrialRecord& record, std::int64_t step) {
  return {record.number, record.state, record.parameters, record.metrics, step, record.reason};
}

}  // namespace

/// What a study and its trials share, so that a trial may outlive the Study object it came from.
struct StudyCore {
  explicit StudyCore(std::unique_ptr<StudyManager> m) : manager(std::move(m)) {}

  std::unique_ptr<StudyManager> manager;
  const std::string worker = local_worker_name();
  std::mutex lock;
  std::map<std::int64_t, std::int64_t> fences;  ///< of the trials that this object asked for

  std::int64_t fence_of(std::int64_t trial) {
    const std::lock_guard guard(lock);
    const auto found = fences.find(trial);
    return found == fences.end() ? 0 : found->second;
  }
  void forget(std::int64_t trial) {
    const std::lock_guard guard(lock);
    fences.erase(trial);
  }
  std::optional<Asked> ask(const std::string& key) {
    auto asked = manager->ask({worker, worker.substr(0, worker.find(':')), 0}, key);
    if (asked) {
      const std::lock_guard guard(lock);
      fences[asked->trial.number] = asked->attempt.fence;
    }
    return asked;
  }
  bool report(std::int64_t trial, std::int64_t step, const Metrics& metrics) {
    return manager->report(trial, fence_of(trial), step, metrics).verdict != Verdict::go_on;
  }
  void complete(std::int64_t trial, const Metrics& metrics) {
    manager->apply(CompleteTrial{trial, fence_of(trial), metrics, {}});
  }
  void fail(std::int64_t trial, const std::string& reason) {
    FailAttempt fail;
    fail.trial = trial;
    fail.fence = fence_of(trial);
    fail.reason = reason;
    manager->apply(fail);
  }
  void stop(std::int64_t trial) { manager->end_early(trial, fence_of(trial), "stopped early"); }
  const Objective& objective() const { return manager->study().spec.objective(); }
};

struct Trial::Impl {
  std::shared_ptr<StudyCore> core;
  Asked asked;
  std::atomic<bool> stop = false;

  const Value& value(std::string_view name) const {
    const auto found = asked.trial.parameters.find(name);
    if (found == asked.trial.parameters.end()) {
      throw UsageError(fmt::format("trial {} has no active parameter \"{}\"", asked.trial.number, name));
    }
    return found->second;
  }
};

std::int64_t Trial::number() const {
  return impl_->asked.trial.number;
}
const Parameters& Trial::parameters() const {
  return impl_->asked.trial.parameters;
}

double Trial::real(std::string_view name) const {
  const Value& value = impl_->value(name);
  if (std::holds_alternative<std::string>(value)) {
    throw UsageError(
        fmt::format("parameter \"{}\" is the text \"{}\", not a number", name, to_string(value)));
  }
  return as_number(value);
}

std::int64_t Trial::integer(std::string_view name) const {
  const Value& value = impl_->value(name);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return *i;
  throw UsageError(fmt::format("parameter \"{}\" is {}, not an integer", name, to_string(value)));
}

std::string Trial::text(std::string_view name) const {
  return to_string(impl_->value(name));
}
bool Trial::has(std::string_view name) const {
  return impl_->asked.trial.parameters.contains(name);
}
std::uint64_t Trial::seed() const {
  return impl_->asked.seed;
}

bool Trial::report(std::int64_t step, double value) {
  return report(step, Metrics{{impl_->core->objective().metric, value}});
}

bool Trial::report(std::int64_t step, const Metrics& metrics) {
  if (impl_->core->report(number(), step, metrics)) impl_->stop = true;
  return impl_->stop;
}

bool Trial::should_stop() const {
  return impl_->stop;
}

struct Study::Impl {
  std::shared_ptr<StudyCore> core;

  static std::shared_ptr<Trial::Impl> trial(const std::shared_ptr<StudyCore>& core, Asked asked) {
    auto impl = std::make_shared<Trial::Impl>();
    impl->core = core;
    impl->asked = std::move(asked);
    return impl;
  }
};

Study::Study(Space space, StudyOptions options) {
  auto storage = app::open_storage(options.storage);
  const std::string device = options.device;
  auto manager = app::open_manager(spec_of(std::move(space), std::move(options)), std::move(storage), device);
  RunObserver silent;
  recover_lost_trials(*manager, silent);
  impl_ = std::make_unique<Impl>(Impl{std::make_shared<StudyCore>(std::move(manager))});
}

Study::~Study() = default;
Study::Study(Study&&) noexcept = default;
Study& Study::operator=(Study&&) noexcept = default;

Trial Study::ask(const std::string& key) {
  auto asked = impl_->core->ask(key);
  if (!asked) throw UsageError("the search space is exhausted: every point of the grid was tried");
  Trial trial;
  trial.impl_ = Impl::trial(impl_->core, std::move(*asked));
  return trial;
}

void Study::tell(std::int64_t trial, double value) {
  tell(trial, Metrics{{impl_->core->objective().metric, value}});
}
void Study::tell(std::int64_t trial, const Metrics& metrics) {
  impl_->core->complete(trial, metrics);
}
void Study::tell_stopped(std::int64_t trial) {
  impl_->core->stop(trial);
}
void Study::tell_failed(std::int64_t trial, const std::string& reason) {
  impl_->core->fail(trial, reason);
}

bool Study::report(std::int64_t trial, std::int64_t step, const Metrics& metrics) {
  return impl_->core->report(trial, step, metrics);
}

std::int64_t Study::enqueue(const Parameters& parameters) {
  return impl_->core->manager->enqueue(parameters).number;
}

namespace {

/// One trial from its start to its tell. Errors of the objective are the trial's, errors of the
/// store are the caller's.
void run_objective(StudyCore& core, Trial& trial, const std::function<double(Trial&)>& objective) {
  double value = 0;
  try {
    value = objective(trial);
  } catch (const StorageError&) {
    throw;
  } catch (const std::exception& e) {
    core.fail(trial.number(), e.what());
    return;
  } catch (...) {
    core.fail(trial.number(), "the objective threw something that is no std::exception");
    return;
  }
  if (trial.should_stop()) {
    core.stop(trial.number());
  } else if (std::isfinite(value)) {
    core.complete(trial.number(), {{core.objective().metric, value}});
  } else {
    core.fail(trial.number(), fmt::format("the objective returned {}", value));
  }
}

}  // namespace

std::int64_t Study::optimize(const std::function<double(Trial&)>& objective, const OptimizeOptions& options) {
  if (options.parallel < 1)
    throw UsageError(fmt::format("parallel is {}, at least 1 is needed", options.parallel));
  using Steady = std::chrono::steady_clock;
  const auto start = Steady::now();
  const auto core = impl_->core;
  std::mutex lock;  // guards the two below
  std::int64_t in_flight = 0;
  std::exception_ptr error;
  std::atomic<std::int64_t> ended_here = 0;

  const auto may_start = [&] {
    const std::lock_guard guard(lock);
    if (error) return false;
    if (options.seconds && std::chrono::duration<double>(Steady::now() - start).count() >= *options.seconds)
      return false;
    if (core->manager->head().finished() + in_flight >= options.trials) return false;
    ++in_flight;
    return true;
  };
  const auto work = [&] {
    while (may_start()) {
      try {
        auto asked = core->ask("");
        if (asked) {
          Trial trial;
          trial.impl_ = Impl::trial(core, std::move(*asked));
          run_objective(*core, trial, objective);
          core->forget(trial.number());
          ++ended_here;
        }
        const std::lock_guard guard(lock);
        --in_flight;
        if (!asked) return;  // exhausted
      } catch (...) {
        const std::lock_guard guard(lock);
        --in_flight;
        if (!error) error = std::current_exception();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options.parallel; ++i) threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
  core->manager->settle_beyond(options.trials);
  return ended_here;
}

std::optional<TrialView> Study::best() const {
  const auto record = impl_->core->manager->best();
  if (!record) return std::nullopt;
  return view_of(*record, 0);
}

std::vector<TrialView> Study::trials() const {
  auto& manager = *impl_->core->manager;
  const Delta delta = manager.storage().changes_since(manager.study().id, 0);
  std::map<std::int64_t, std::map<std::int64_t, Metrics>> steps;  // of the newest attempts
  for (const auto& r : delta.reports) {
    if (r.attempt == delta.trials.at(static_cast<std::size_t>(r.trial)).attempts)
      steps[r.trial][r.step][r.metric] = r.value;
  }
  std::vector<TrialView> views;
  for (const auto& record : delta.trials) {
    const auto found = steps.find(record.number);
    views.push_back(view_of(record, found == steps.end() ? 0 : found->second.rbegin()->first));
    if (record.state == TrialState::stopped && found != steps.end())
      views.back().metrics = found->second.rbegin()->second;
  }
  return views;
}

const Space& Study::space() const {
  return impl_->core->manager->study().spec.space;
}

const char* version() {
  return KRIGON_VERSION;
}

}  // namespace krigon
