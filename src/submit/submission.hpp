#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec.hpp"

/// Workers on other machines: what a batch system or a cluster is told so that it runs `krigon worker`.
namespace krigon {

enum class Engine { slurm, kubernetes, local };

/// "slurm", "kubernetes" or "local". Throws UsageError naming them for anything else.
Engine engine_of(std::string_view name);
std::string_view to_string(Engine engine);

/// What one worker gets.
struct WorkerResources {
  std::int64_t cpus = 1;
  std::int64_t gpus = 0;
  std::optional<std::uint64_t> memory = {};  ///< bytes; unset: the engine's own default
};

/// As a person asked for them; unset: by what the study's trials take.
struct WantedResources {
  std::optional<std::int64_t> cpus = {};
  std::optional<std::int64_t> gpus = {};
  std::optional<std::uint64_t> memory = {};  ///< bytes
};

/// What a worker needs that runs `parallel` trials of such resources at a time. Throws UsageError where less
/// is wanted than those trials take: they would not start, or be
/// killed. Likewise where the study names a GPU by an index that a worker would not see.
WorkerResources worker_resources(const ResourceSpec& trial, std::int64_t parallel,
                                 const WantedResources& wanted);

/// What is the same whatever runs the workers.
struct Submission {
  std::string study;    ///< its name in the store
  std::string job;      ///< as job_name() makes it
  std::string storage;  ///< URL of the store, with its password where it has one
  std::string program;  ///< the `krigon` that a worker runs: a path, or a name to be found on PATH there
  std::int64_t workers = 1;
  std::int64_t parallel = 1;            ///< trials at a time in each worker
  std::filesystem::path study_folder;   ///< absolute; the workers' working directory where they can have it
  std::filesystem::path trials_folder;  ///< absolute; empty: the engine's own place
  WorkerResources resources = {};
  Milliseconds grace{0};                  ///< of the study's trials: from SIGTERM to SIGKILL
  std::optional<Milliseconds> time = {};  ///< how long workers may run
};

/// A worker told to leave needs so many seconds: its trials' grace, and what it takes to write down what they
/// found and to hand them back.
std::int64_t leaving_seconds(Milliseconds grace);

/// Words of `krigon worker` but for the store's URL, the program first.
std::vector<std::string> worker_words(const Submission& submission);

/// Whether the URL holds a secret, which then must not stand in scripts, manifests and process lists.
bool holds_password(std::string_view url);

/// Throws UsageError for a store that the engine's workers cannot share: one in memory, and but for local
/// ones a file. What to do instead is in the message.
void check_store(Engine engine, std::string_view url);

/// Why workers on other machines may not reach the server of a postgresql:// URL ("... is on this machine
/// alone"); empty where nothing speaks against it.
std::string reach_warning(std::string_view url);

}  // namespace krigon
