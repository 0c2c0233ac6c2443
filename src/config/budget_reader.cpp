#include "config/budget_reader.hpp"

#include <set>

#include <fmt/format.h>

#include "config/scalar.hpp"

namespace krigon::detail {

BudgetSpec read_budget(const Field& field) {
  Section section(field);
  BudgetSpec budget;
  budget.trials = section.take("trials").integer(1);
  if (const auto parallel = section.take("parallel").integer(1, 10'000)) budget.parallel = *parallel;
  const Field time = section.take("time");
  budget.time = time.duration();
  if (budget.time && budget.time->count() <= 0) time.error("found 0, expected a duration above 0");
  section.finish({{"max_trials", "write 'trials'"},
                  {"n_trials", "write 'trials'"},
                  {"workers", "write 'parallel'"},
                  {"jobs", "write 'parallel'"},
                  {"n_jobs", "write 'parallel'"},
                  {"timeout", "write 'time'"}});
  return budget;
}

ResourceSpec read_resources(const Field& field, std::int64_t parallel) {
  Section section(field);
  ResourceSpec r;
  const Field gpus = section.take("gpus");
  const Field per_trial = section.take("gpus_per_trial");
  std::set<int> seen;
  for (const auto& item : gpus.items("GPU numbers", "[0, 1]")) {
    const auto number = item.integer(0, 1'000'000);
    if (!number) continue;
    const int gpu = static_cast<int>(*number);
    if (!seen.insert(gpu).second) {
      item.error(fmt::format("GPU {} is there already", gpu));
    } else {
      r.gpus.push_back(gpu);
    }
  }
  const auto count = per_trial.integer(0, 1'000'000);
  // Who lists GPUs wants them used.
  r.gpus_per_trial = count.value_or(per_trial || r.gpus.empty() ? 0 : 1);
  const auto had = static_cast<std::int64_t>(r.gpus.size());
  if (count && *count > had && gpus.is(Node::Kind::list)) {
    per_trial.error(fmt::format("found {}, but 'gpus' lists only {}", *count, had));
  }
  if (const auto cpus = section.take("cpus_per_trial").integer(0, 1'000'000)) r.cpus_per_trial = *cpus;
  const Field memory = section.take("memory");
  r.memory = memory.size();
  if (r.memory && *r.memory < (1u << 20)) {
    memory.error(fmt::format("found {}, expected at least 1M", shown(memory.node())));
  }
  section.finish({{"cpus", "write 'cpus_per_trial'"}, {"gpu", "write 'gpus'"}});
  // Without a list they are those that the worker sees, wherever it runs.
  if (gpus && r.gpus_per_trial > 0 && parallel > had / r.gpus_per_trial) {
    gpus.warning(fmt::format("these GPUs serve {} trials at a time, fewer than budget.parallel ({})",
                             had / r.gpus_per_trial, parallel));
  }
  return r;
}

}  // namespace krigon::detail
