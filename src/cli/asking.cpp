#include "cli/asking.hpp"

#include <fmt/format.h>

#include "core/spec.hpp"
#include "render/human.hpp"

namespace krigon::cli {

AskResult ask_trials(StudyManager& manager, std::int64_t count, const std::string& key) {
  AskResult result;
  const auto& budget = manager.study().spec.budget.trials;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string own_key = key.empty() || count == 1 ? key : fmt::format("{}#{}", key, i);
    const StudyHead head = manager.head();
    if (budget && head.finished() + head.running >= *budget &&
        (own_key.empty() || !manager.storage().trial_by_key(manager.study().id, own_key))) {
      result.none_left = fmt::format("the budget of {} is used up", count_of(*budget, "trial"));
      break;
    }
    auto asked = manager.ask({"client", "", 0}, own_key);
    if (!asked) {
      result.none_left = "the sampler has nothing left to propose: every point was tried";
      break;
    }
    result.trials.push_back(std::move(*asked));
  }
  return result;
}

nlohmann::json asked_json(const Asked& asked) {
  return {{"trial", asked.trial.number},
          {"parameters", to_json(asked.trial.parameters)},
          {"seed", asked.seed},
          {"attempt", asked.attempt.number}};
}

}  // namespace krigon::cli
