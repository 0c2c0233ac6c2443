#include "app/services.hpp"

#include "app/wiring.hpp"
#include "backend/choose.hpp"
#include "config/study_file.hpp"
#include "krigon/error.hpp"
#include "propose/samplers.hpp"
#include "runner/report_line.hpp"
#include "scheduler/schedulers.hpp"
#include "storage/storage.hpp"
#include "worker/fingerprint.hpp"

namespace krigon::app {
namespace {

/// A file that can only be read, on such a disk or in such a folder, is opened to be looked at: what would
/// change it is refused then. (A server that refuses does so for another reason.)
std::shared_ptr<Storage> open_or_look_at(const std::string& url, bool create) {
  try {
    return krigon::open_storage(url, {.create = create});
  } catch (const StorageError&) {
    if (create || url.starts_with("postgres")) throw;
    try {
      return krigon::open_storage(url, {.create = false, .read_only = true});
    } catch (const StorageError&) {
      // What was wrong at first is what is said.
    }
    throw;
  }
}

}  // namespace

cli::Services make_services() {
  cli::Services services;
  services.load_study = [](const std::filesystem::path& path) {
    auto loaded = load_study_file(path);
    return cli::LoadedStudy{std::move(loaded.spec), std::move(loaded.storage), std::move(loaded.device),
                            std::move(loaded.warnings)};
  };
  services.open_storage = open_or_look_at;
  services.store_exists = [](const std::string& url) { return krigon::store_exists(url); };
  services.choose_device = [](const std::string& device, const StudySpec& spec) {
    auto chosen = choose_backend(device, spec.budget.trials);
    return cli::Compute{std::move(chosen.backend), std::move(chosen.line)};
  };
  services.make_manager = make_manager;
  services.describe_sampler = [](const StudySpec& spec) {
    return make_study_sampler(spec, make_cpu_backend())->describe(spec.space);
  };
  services.make_scheduler = make_scheduler;
  services.append_report = append_report;
  services.fingerprint = fingerprint;
  services.doctor = examine_machine;
  return services;
}

}  // namespace krigon::app
