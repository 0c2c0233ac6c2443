#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/sampler.hpp"
#include "manager/manager.hpp"
#include "scheduler/schedulers.hpp"
#include "storage/storage.hpp"

namespace krigon::testing {

/// Proposes x = number / 8, until eight trials were made.
class CountingSampler final : public Sampler {
 public:
  std::string_view name() const override { return "counting"; }
  Suggestion propose(const History&, std::int64_t number) override {
    Suggestion suggestion;
    suggestion.exhausted = number >= 8;
    if (!suggestion.exhausted) suggestion.parameters["x"] = static_cast<double>(number) / 8;
    suggestion.proposal.sampler = "counting";
    return suggestion;
  }
  std::string describe(const Space&) const override { return "counts in eighths"; }
};

inline StudySpec counting_spec() {
  StudySpec spec;
  spec.name = "counting";
  spec.objectives = {{"loss", Direction::minimize}};
  spec.space = Space({{"x", RealDomain{0, 1, Scale::linear, {}}, {}}});
  return spec;
}

inline std::unique_ptr<StudyManager> make_counting(std::shared_ptr<Storage> storage, StudyRecord study) {
  auto scheduler = make_scheduler(study.spec.early_stopping);
  return std::make_unique<StudyManager>(std::move(storage), std::move(study),
                                        std::make_unique<CountingSampler>(), std::move(scheduler));
}

inline std::unique_ptr<StudyManager> make_counting(const StudySpec& spec) {
  auto storage = open_storage("memory:");
  auto study = storage->create_study(spec, nullptr);
  return make_counting(std::move(storage), std::move(study));
}

}  // namespace krigon::testing
