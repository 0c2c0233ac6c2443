#include "cli/study_option.hpp"

#include <ostream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/checkpoint.hpp"
#include "core/url.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

constexpr const char* kDefaultFile = "study.yaml";

std::string url_of_file(const std::filesystem::path& path) {
  return "sqlite://" + std::filesystem::absolute(path).lexically_normal().string();
}

StudyRecord find(Storage& storage, const StudyPlace& place) {
  if (!place.name.empty()) {
    if (auto record = storage.find_study(place.name)) return *record;
    std::string hint;
    if (place.loaded) hint = fmt::format("; `krigon run {}` creates it", place.file.string());
    throw NotFoundError(fmt::format("there is no study \"{}\" in {}{}", place.name, storage.url(), hint));
  }
  auto studies = storage.studies();
  if (studies.size() == 1) return std::move(studies.front());
  std::string names;
  for (const auto& study : studies) names += (names.empty() ? "" : ", ") + study.name;
  if (studies.empty()) throw NotFoundError(fmt::format("there is no study in {}", storage.url()));
  throw UsageError(
      fmt::format("{} holds several studies, choose one with --study: {}", storage.url(), names));
}

void refuse_change(const StudyRecord& stored, const StudyPlace& place, const char* part) {
  throw ConflictError(fmt::format(
      "{}: the study \"{}\" in {} was begun with another {}; its trials would mean something else. "
      "Give the study another name, or `krigon delete` the old one",
      place.file.string(), stored.name, without_password(place.url), part));
}

}  // namespace

void StudyOption::add_options_to(CommandBuilder& command) {
  command.text(
      "--storage", storage,
      "The store, sqlite:///PATH, postgresql://... or a path (default: $KRIGON_STORAGE, the study file's, or "
      "krigon.db beside it)",
      "URL");
  command.text("--study", name, "The study's name in the store (default: the study file's)", "NAME");
}

void StudyOption::add_to(CommandBuilder& command) {
  command.word(file, "STUDY", "The study file (default: study.yaml, unless --storage or --study is given)");
  add_options_to(command);
}

void StudyOption::add_device_to(CommandBuilder& command) {
  proposes = true;
  command.text("--device", device,
               "What computes proposals: auto, cpu, cuda or cuda:N (default: the study file's, auto)",
               "DEVICE");
}

std::filesystem::path StudyPlace::trials_folder(const std::string& study) const {
  std::string safe = study;
  for (char& c : safe) {
    if (c == '/') c = '_';
  }
  if (safe.empty() || safe == "." || safe == "..") safe = "_" + safe;
  return std::filesystem::absolute(folder) / "krigon-trials" / safe;
}

StudyPlace locate(const Context& context, const StudyOption& option) {
  StudyPlace place;
  place.file = option.file;
  const std::string variable = context.variable("KRIGON_STORAGE");
  const bool by_name = !option.storage.empty() || !option.name.empty();
  if (option.file.empty() && !by_name) {
    std::error_code error;
    if (!std::filesystem::exists(kDefaultFile, error)) {
      if (variable.empty()) {
        throw UsageError(
            "which study? Give a study file, or --storage URL --study NAME (there is no study.yaml here)");
      }
    } else {
      place.file = kDefaultFile;
    }
  }
  if (place.file.empty()) {
    place.folder = ".";
  } else {
    place.loaded = context.services.load_study(place.file);
    for (const auto& warning : place.loaded->warnings) context.err << "warning: " << warning << "\n";
    place.name = place.loaded->spec.name;
    place.folder = place.file.has_parent_path() ? place.file.parent_path() : std::filesystem::path(".");
  }
  if (!option.name.empty()) place.name = option.name;
  if (place.loaded) place.loaded->spec.name = place.name;
  if (!option.device.empty()) {
    place.device = option.device;
  } else if (option.proposes) {
    place.device = place.loaded ? place.loaded->device.value_or("auto") : "auto";
  }
  if (!option.storage.empty()) {
    place.url = option.storage;
  } else if (!variable.empty()) {
    place.url = variable;
  } else if (place.loaded && place.loaded->storage) {
    place.url = *place.loaded->storage;
  } else {
    place.url = url_of_file(place.folder / "krigon.db");
  }
  return place;
}

std::unique_ptr<StudyManager> OpenStudy::manager(const Context& context) const {
  return context.services.make_manager(storage, record, compute.backend);
}

OpenStudy open_study(const Context& context, const StudyOption& option) {
  OpenStudy study;
  study.place = locate(context, option);
  if (!context.services.store_exists(study.place.url)) {
    const std::string hint =
        study.place.loaded ? fmt::format("; `krigon run {}` creates it", study.place.file.string()) : "";
    throw NotFoundError(fmt::format("there is no store at {}{}", without_password(study.place.url), hint));
  }
  study.storage = context.services.open_storage(study.place.url, false);
  study.record = find(*study.storage, study.place);
  study.compute = context.services.choose_device(study.place.device, study.record.spec);
  return study;
}

OpenStudy open_or_create_study(const Context& context, StudyPlace place) {
  OpenStudy study;
  study.place = std::move(place);
  if (!study.place.loaded) {  // by name: it must be there
    StudyOption option;
    option.storage = study.place.url;
    option.name = study.place.name;
    option.device = study.place.device;
    return open_study(context, option);
  }
  const StudySpec& spec = study.place.loaded->spec;
  // Found wrong before anything is created.
  context.services.describe_sampler(spec);
  context.services.make_scheduler(spec.early_stopping);
  study.compute = context.services.choose_device(study.place.device, spec);
  study.storage = context.services.open_storage(study.place.url, true);
  const auto fingerprint = context.services.fingerprint(spec, study.place.folder);
  auto stored = study.storage->find_study(study.place.name);
  if (!stored) {
    try {
      study.record = study.storage->create_study(spec, fingerprint);
      return study;
    } catch (const ConflictError&) {  // another process was faster
      stored = study.storage->find_study(study.place.name);
      if (!stored) throw;
    }
  }
  const auto before = to_json(stored->spec);
  const auto now = to_json(spec);
  for (const auto& [part, word] :
       {std::pair{"space", "search space"}, {"objectives", "objective"}, {"seed", "seed"}}) {
    if (before.at(part) != now.at(part)) refuse_change(*stored, study.place, word);
  }
  if (before != now || stored->fingerprint != fingerprint) {
    study.storage->update_spec(stored->id, spec, fingerprint);
    stored = study.storage->find_study(study.place.name);
    if (!stored) throw NotFoundError(fmt::format("the study \"{}\" was deleted meanwhile", study.place.name));
  }
  study.record = *stored;
  return study;
}

OpenStudy open_or_create_study(const Context& context, const StudyOption& option) {
  return open_or_create_study(context, locate(context, option));
}

void check_checkpoint(const Context& context, const OpenStudy& study) {
  if (study.place.loaded) return;
  const StudySpec& spec = study.record.spec;
  const std::string missing = missing_checkpoint(spec);
  if (missing.empty()) return;
  const std::string message = fmt::format("the study \"{}\": early_stopping: {}", study.record.name, missing);
  if (checkpoint_use(spec.early_stopping) == CheckpointUse::clones) throw UsageError(message);
  context.err << "warning: " << message << "\n";
}

}  // namespace krigon::cli
