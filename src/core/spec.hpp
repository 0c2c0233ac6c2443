#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "krigon/space.hpp"
#include "krigon/study.hpp"

namespace krigon {

using Milliseconds = std::chrono::milliseconds;

/// A metric read from the trial's own output instead of its report file.
struct MetricPattern {
  bool from_stderr = false;
  std::string pattern;  ///< ECMAScript regular expression; its first group is the number
};

/// How a trial is run. `command` is empty for studies driven by ask/tell or `pipe`.
struct TrialSpec {
  std::vector<std::string> command;  ///< argv with {name} templates; no shell in between
  std::map<std::string, std::string> env;
  std::map<std::string, MetricPattern> metrics;
  std::optional<Milliseconds> timeout;     ///< wall time of one attempt
  Milliseconds grace{10'000};              ///< from SIGTERM to SIGKILL
  std::int64_t retries = 1;                ///< further attempts after lost or could-not-start, nothing else
  std::uint64_t output_limit = 64u << 20;  ///< bytes kept of stdout, and of stderr
  bool own_folder = true;   ///< working directory: the trial's folder (true) or the study file's (false)
  bool checkpoint = false;  ///< its program writes and reads checkpoints, in a folder that its attempts share
};

struct BudgetSpec {
  std::optional<std::int64_t> trials;  ///< trials that ended (completed, stopped or failed)
  std::int64_t parallel = 1;
  std::optional<Milliseconds> time;  ///< running time, added up over resumes
};

struct ResourceSpec {
  std::vector<int> gpus;  ///< indices into the inherited CUDA_VISIBLE_DEVICES, or device numbers
  std::int64_t gpus_per_trial = 0;
  std::int64_t cpus_per_trial = 0;      ///< 0: not pinned
  std::optional<std::uint64_t> memory;  ///< bytes per trial, enforced by a cgroup where there is one
};

struct SamplerSpec {
  std::string type = "auto";
  std::optional<std::int64_t> initial;       ///< trials of the space-filling first phase
  std::optional<std::int64_t> observations;  ///< that the model is told of at most
};

/// All that a study is, apart from its trials. Its canonical JSON is stored with the study.
struct StudySpec {
  std::string name;
  std::vector<Objective> objectives;  ///< exactly one for now
  Space space;
  TrialSpec trial;
  BudgetSpec budget;
  EarlyStopping early_stopping;
  ResourceSpec resources;
  SamplerSpec sampler;
  std::vector<std::string> on_best;  ///< argv, as TrialSpec::command
  std::optional<std::int64_t> max_failures;
  std::uint64_t seed = 0;
  std::vector<std::string> inputs;  ///< paths relative to the study file, hashed into the fingerprint

  const Objective& objective() const { return objectives.at(0); }
};

/// Canonical JSON: keys sorted, defaults written out, doubles shortest round trip.
nlohmann::json to_json(const StudySpec& spec);
/// The inverse. Throws StorageError when `json` is not what to_json writes.
StudySpec spec_from_json(const nlohmann::json& json);

nlohmann::json to_json(const Value& value);
nlohmann::json to_json(const Parameters& parameters);
nlohmann::json metrics_to_json(const Metrics& metrics);
nlohmann::json to_json(const Space& space);
/// JSON numbers with a fraction or exponent are double, others std::int64_t. Throws SpaceError for
/// null, arrays and objects.
Value value_from_json(const nlohmann::json& json);
Parameters parameters_from_json(const nlohmann::json& json);
/// Throws UsageError for anything but an object of finite numbers.
Metrics metrics_from_json(const nlohmann::json& json);
Space space_from_json(const nlohmann::json& json);

}  // namespace krigon
