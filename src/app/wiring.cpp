#include "app/wiring.hpp"

#include <utility>

#include <fmt/format.h>

#include "backend/choose.hpp"
#include "krigon/error.hpp"
#include "model/curves.hpp"
#include "propose/samplers.hpp"
#include "scheduler/schedulers.hpp"
#include "storage/storage.hpp"

namespace krigon::app {

std::shared_ptr<Storage> open_storage(const std::string& url) {
  return krigon::open_storage(url, {});
}

std::unique_ptr<Sampler> make_study_sampler(const StudySpec& spec, std::shared_ptr<Backend> backend) {
  return make_sampler(spec.sampler, spec.space, spec.seed, std::move(backend));
}

std::unique_ptr<StudyManager> make_manager(std::shared_ptr<Storage> storage, StudyRecord study,
                                           std::shared_ptr<Backend> backend) {
  auto sampler = make_study_sampler(study.spec, backend);
  auto scheduler = make_study_scheduler(
      study.spec.early_stopping,
      {study.spec.objective().direction, make_curve_predictor(std::move(backend), study.spec.space)});
  return std::make_unique<StudyManager>(std::move(storage), std::move(study), std::move(sampler),
                                        std::move(scheduler));
}

std::unique_ptr<StudyManager> open_manager(const StudySpec& spec, std::shared_ptr<Storage> storage,
                                           const std::string& device) {
  auto chosen = choose_backend(device, spec.budget.trials);
  auto study = storage->find_study(spec.name);
  if (!study) {
    study = storage->create_study(spec, nullptr);
  } else {
    const auto differs = [&](const char* part) {
      return to_json(study->spec).at(part) != to_json(spec).at(part);
    };
    for (const char* part : {"space", "objectives"}) {
      if (differs(part)) {
        throw UsageError(
            fmt::format("study \"{}\" in {} has another {}: choose another name, or delete that study",
                        spec.name, storage->url(), part));
      }
    }
  }
  return make_manager(std::move(storage), std::move(*study), std::move(chosen.backend));
}

}  // namespace krigon::app
