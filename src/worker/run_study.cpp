#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "worker/run_loop.hpp"

namespace krigon {

std::string_view to_string(RunEnd end) {
  switch (end) {
    case RunEnd::budget:
      return "budget";
    case RunEnd::time:
      return "time";
    case RunEnd::exhausted:
      return "exhausted";
    case RunEnd::interrupted:
      return "interrupted";
    case RunEnd::too_many_failures:
      break;
  }
  return "too_many_failures";
}

RunResult run_study(StudyManager& manager, const RunOptions& options, RunObserver& observer) {
  if (manager.study().spec.trial.command.empty()) {
    throw UsageError(
        "the study has no trial command to run (add `trial: {command: [...]}`, or drive it with ask and "
        "tell)");
  }
  Runner runner({manager.study().spec, options.study_folder, options.trials_folder, options.shim});
  const std::int64_t slots = options.slots.value_or(manager.study().spec.budget.parallel);
  if (runner.capacity() < slots) {
    observer.note(fmt::format("resources: there is enough here for {} at a time, not for {}",
                              runner.capacity(), slots));
  }
  WorkerLoop::World world;
  world.runner = &runner;
  world.worker = local_worker_name();
  world.host = world.worker.substr(0, world.worker.find(':'));
  world.seconds = [start = std::chrono::steady_clock::now()] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  WorkerLoop loop(manager, options, observer, std::move(world));
  while (loop.step()) {
  }
  return loop.finish();
}

}  // namespace krigon
