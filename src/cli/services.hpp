#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/scheduler.hpp"
#include "core/spec.hpp"
#include "core/storage.hpp"
#include "manager/manager.hpp"

namespace krigon {
class Backend;
}  // namespace krigon

namespace krigon::cli {

/// What a study file says.
struct LoadedStudy {
  StudySpec spec;
  std::optional<std::string> storage;      ///< its `storage:` as a URL, a path in it made absolute
  std::optional<std::string> device = {};  ///< its `device:`
  std::vector<std::string> warnings = {};  ///< "file:line: key: message" each
};

/// One line of `krigon doctor`.
struct Finding {
  std::string name;
  std::string value;
  bool ok = true;    ///< false: something that a person should mend
  std::string hint;  ///< what to do, or why; may be empty
};

/// What computes proposals.
struct Compute {
  std::shared_ptr<Backend> backend;
  std::string line;  ///< which device, and why
};

/// The implementations that the commands work with, chosen by the application (src/app) or by a test.
struct Services {
  /// Throws ConfigError, starting with "file:line: ".
  std::function<LoadedStudy(const std::filesystem::path&)> load_study;
  /// Throws StorageError where there is no such store and `create` is false.
  std::function<std::shared_ptr<Storage>(const std::string& url, bool create)> open_storage;
  /// Whether there is a store at the URL; never creates one.
  std::function<bool(const std::string& url)> store_exists;
  /// By a device's name (core/device.hpp) and what is to be expected of the study. Throws UsageError,
  /// EnvironmentError where the device cannot be used.
  std::function<Compute(const std::string& device, const StudySpec&)> choose_device;
  std::function<std::unique_ptr<StudyManager>(std::shared_ptr<Storage>, StudyRecord,
                                              std::shared_ptr<Backend>)>
      make_manager;
  /// What the spec's sampler will do in its space. Throws UsageError for an unknown sampler.
  std::function<std::string(const StudySpec&)> describe_sampler;
  std::function<std::unique_ptr<Scheduler>(const EarlyStopping&)> make_scheduler;
  /// Appends one line to a trial's report file; no step: final metrics.
  std::function<void(const std::filesystem::path&, std::optional<std::int64_t> step, const Metrics&)>
      append_report;
  /// As worker/fingerprint.hpp.
  std::function<nlohmann::json(const StudySpec&, const std::filesystem::path& study_folder)> fingerprint;
  std::function<std::vector<Finding>()> doctor;
};

}  // namespace krigon::cli
