// Runs histories on all cores, prints figures, and of the first that fails the shortest list of events that
// was found. krigon_simulate --help says how.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "simulation/shrink.hpp"

namespace krigon::simulation {
namespace {

constexpr const char* kHelp = R"(Simulates histories of the study manager, one a seed.

  --seed N         the first seed (1)
  --histories N    how many (300)
  --jobs N         at a time (as many as there are cores)
  --within S       fail when it takes longer than S seconds
  --without NAME   with a protection undone: fencing tokens, first tell, ...
  --replay FILE    one history, from the plan that a failure left
  --save FILE      where a failure's shrunk plan goes (simulation-failure.json)
  --trace          print every event of the history (with --replay, or --histories 1)

Example: krigon_simulate --seed 4711 --histories 1 --trace
)";

struct Arguments {
  std::uint64_t seed = 1;
  std::int64_t histories = 300;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  double within = 0;
  std::string replay, save = "simulation-failure.json";
  Options options;
};

Protection protection_named(const std::string& name) {
  for (int i = 0; i < kProtections; ++i) {
    if (to_string(static_cast<Protection>(i)) == name) return static_cast<Protection>(i);
  }
  throw UsageError(fmt::format("there is no protection named \"{}\"", name));
}

Arguments read_arguments(int count, char** words) {
  Arguments arguments;
  const std::vector<std::string> all(words + 1, words + count);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& word = all[i];
    if (word == "--trace") {
      arguments.options.trace = &std::cout;
      continue;
    }
    if (i + 1 == all.size())
      throw UsageError(fmt::format("unknown option or no value: {}\n\n{}", word, kHelp));
    const std::string& value = all[++i];
    if (word == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (word == "--histories") {
      arguments.histories = std::stoll(value);
    } else if (word == "--jobs") {
      arguments.jobs = static_cast<unsigned>(std::stoul(value));
    } else if (word == "--within") {
      arguments.within = std::stod(value);
    } else if (word == "--without") {
      arguments.options.without = protection_named(value);
    } else if (word == "--replay") {
      arguments.replay = value;
    } else if (word == "--save") {
      arguments.save = value;
    } else {
      throw UsageError(fmt::format("unknown option: {}\n\n{}", word, kHelp));
    }
  }
  return arguments;
}

struct Figures {
  std::int64_t histories = 0, workers = 0, trials = 0, faults = 0, commands = 0, events = 0, steps = 0;
  std::int64_t leases_lost = 0, stale = 0, refused = 0, cut_off = 0, pauses = 0, clones = 0;
  double longest_end = 0;
  std::int64_t fewest_workers = INT64_MAX, fewest_trials = INT64_MAX, fewest_faults = INT64_MAX;
  double world_seconds = 0;
  std::array<std::int64_t, kFaultKinds> by_kind{};
  std::uint64_t digest = 0;

  void add(const Chronicle& history) {
    std::int64_t own = 0;
    for (std::size_t i = 0; i < by_kind.size(); ++i) {
      by_kind.at(i) += history.faults.at(i);
      if (!by_person(static_cast<FaultKind>(i))) own += history.faults.at(i);
    }
    ++histories;
    workers += history.workers;
    trials += history.trials;
    faults += own;
    commands += history.commands;
    events += history.events;
    steps += history.steps;
    leases_lost += history.leases_lost;
    stale += history.stale;
    refused += history.refused;
    cut_off += history.cut_off;
    pauses += history.pauses;
    clones += history.clones;
    longest_end = std::max(longest_end, history.end_took);
    world_seconds += history.seconds;
    fewest_workers = std::min(fewest_workers, history.workers);
    fewest_trials = std::min(fewest_trials, history.trials);
    fewest_faults = std::min(fewest_faults, own);
    digest ^= history.digest;  // whatever the order in which they end
  }

  void print(double seconds) const {
    fmt::print("{} histories in {:.1f} s ({:.0f} a second), {:.0f} hours of the world's time\n", histories,
               seconds, static_cast<double>(histories) / seconds, world_seconds / 3600);
    fmt::print("  {} workers (at least {}), {} trials (at least {}), {} faults (at least {} in each)\n",
               workers, fewest_workers, trials, fewest_trials, faults, fewest_faults);
    fmt::print("  {} rounds of workers, {} commands, {} events; digest {:016x}\n", steps, commands, events,
               digest);
    fmt::print(
        "  refused: {} of lost leases, {} stale proposals, {} others; {} workers gave up on the store\n",
        leases_lost, stale, refused, cut_off);
    fmt::print("  {} pauses, {} clones\n", pauses, clones);
    fmt::print("  from the last fault to the end at most {:.0f} s\n", longest_end);
    for (int i = 0; i < kFaultKinds; ++i) {
      const auto kind = static_cast<FaultKind>(i);
      fmt::print("  {:<15} {:>8}{}\n", to_string(kind), by_kind.at(static_cast<std::size_t>(i)),
                 by_person(kind) ? "  (people's, not counted as faults)" : "");
    }
  }
};

int report_failure(const Plan& plan, const Arguments& arguments) {
  Options options = arguments.options;
  options.trace = nullptr;
  const Shrunk shrunk = shrink(plan, options);
  std::ofstream(arguments.save) << to_json(shrunk.plan).dump(1) << "\n";
  fmt::print("seed {} fails; shrunk in {} runs to\n{}again: krigon_simulate --replay {} --trace\n", plan.seed,
             shrunk.runs, describe(shrunk.plan, shrunk.history), arguments.save);
  return 1;
}

int one(const Plan& plan, const Arguments& arguments) {
  const Chronicle history = run_history(plan, arguments.options);
  fmt::print("{}digest {:016x}, {} trials, {} events, {:.1f} s of the world's time\n",
             describe(plan, history), history.digest, history.trials, history.events, history.seconds);
  return history.violation ? 1 : 0;
}

int many(const Arguments& arguments) {
  const auto started = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> next = 0;
  std::atomic<std::uint64_t> failed = UINT64_MAX;
  std::mutex lock;
  Figures figures;
  const auto work = [&] {
    for (std::int64_t i = next++; i < arguments.histories && failed == UINT64_MAX; i = next++) {
      const std::uint64_t seed = arguments.seed + static_cast<std::uint64_t>(i);
      const Chronicle history = run_history(make_plan(seed), arguments.options);
      const std::lock_guard guard(lock);
      figures.add(history);
      if (history.violation && seed < failed) failed = seed;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < arguments.jobs; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  figures.print(seconds);
  if (failed != UINT64_MAX) return report_failure(make_plan(failed), arguments);
  if (figures.fewest_workers < 20 || figures.fewest_trials < 200 || figures.fewest_faults < 10) {
    fmt::print("a history is smaller than 20 workers, 200 trials and 10 faults\n");
    return 1;
  }
  if (arguments.within > 0 && seconds > arguments.within) {
    fmt::print("that is longer than {} s\n", arguments.within);
    return 1;
  }
  return 0;
}

int run(int count, char** words) {
  if (count == 2 && std::string_view(words[1]) == "--help") {
    fmt::print("{}", kHelp);
    return 0;
  }
  const Arguments arguments = read_arguments(count, words);
  if (!arguments.replay.empty()) {
    std::ifstream file(arguments.replay);
    if (!file) throw UsageError(fmt::format("there is no plan in {}", arguments.replay));
    return one(plan_from_json(nlohmann::json::parse(file)), arguments);
  }
  if (arguments.histories == 1 && arguments.options.trace) return one(make_plan(arguments.seed), arguments);
  return many(arguments);
}

}  // namespace
}  // namespace krigon::simulation

int main(int argc, char** argv) {
  try {
    return krigon::simulation::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "krigon_simulate: " << e.what() << "\n";
    return 2;
  }
}
