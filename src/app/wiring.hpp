#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "backend/backend.hpp"
#include "core/spec.hpp"
#include "core/storage.hpp"
#include "manager/manager.hpp"

/// The one place where implementations are chosen and put together.
namespace krigon::app {

/// By URL; see storage/storage.hpp.
std::shared_ptr<Storage> open_storage(const std::string& url);

/// The sampler that the spec names.
std::unique_ptr<Sampler> make_study_sampler(const StudySpec& spec, std::shared_ptr<Backend> backend);

/// The manager of a study that is in the store already, its sampler and scheduler by its spec.
std::unique_ptr<StudyManager> make_manager(std::shared_ptr<Storage> storage, StudyRecord study,
                                           std::shared_ptr<Backend> backend);

/// Opens the study that `spec` names, or creates it. Throws UsageError when the stored one has
/// another space or objective.
std::unique_ptr<StudyManager> open_manager(const StudySpec& spec, std::shared_ptr<Storage> storage,
                                           const std::string& device);

}  // namespace krigon::app
