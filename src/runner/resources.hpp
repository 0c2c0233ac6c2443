#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/spec.hpp"

namespace krigon::detail {

/// What one attempt holds.
struct Share {
  std::vector<std::string> gpus;  ///< as CUDA_VISIBLE_DEVICES names them
  std::vector<std::uint64_t> cpus;
};

/// The variable that names the GPUs which this process may use, and what it holds: numbers, UUIDs ("GPU-...")
/// or MIG instances ("MIG-..."), separated by commas.
struct VisibleGpus {
  std::string variable;
  std::string list;
};

/// CUDA_VISIBLE_DEVICES, which a batch system sets or a person. Without it what Slurm gave the step, or the
/// job: SLURM_STEP_GPUS, SLURM_JOB_GPUS. nullopt: nothing is said, so all of the machine.
std::optional<VisibleGpus> inherited_gpus();

/// Hands out GPUs and CPUs, each to one attempt at a time.
class ResourcePool {
 public:
  /// `cpus` is the inherited affinity, `devices` the number of GPUs of the machine. A GPU that `visible`
  /// names twice is one. Throws EnvironmentError when one trial asks for more than there is, UsageError for a
  /// GPU index out of range.
  ResourcePool(const ResourceSpec& spec, const std::optional<VisibleGpus>& visible,
               std::vector<std::uint64_t> cpus, std::int64_t devices);
  /// From this process's environment and affinity.
  static ResourcePool inherited(const ResourceSpec& spec);

  /// How many further attempts there is enough for.
  std::int64_t capacity() const;
  /// Lowest free numbers first. capacity() must be above 0.
  Share take();
  void give_back(const Share& share);
  /// What CUDA_VISIBLE_DEVICES is to be; nullopt: as inherited.
  std::optional<std::string> visible_devices(const Share& share) const;
  static nlohmann::json to_json(const Share& share);

 private:
  std::int64_t gpus_per_trial_ = 0, cpus_per_trial_ = 0;
  std::vector<std::string> gpus_;    ///< all, in order
  std::set<std::size_t> free_gpus_;  ///< indices into gpus_
  std::set<std::uint64_t> free_cpus_;
  bool restrict_gpus_ = false;  ///< no GPU of its own for a trial, but only some to be seen
};

/// The CPUs that this process may run on, ascending.
std::vector<std::uint64_t> inherited_cpus();

}  // namespace krigon::detail
