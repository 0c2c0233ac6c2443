#include "core/checkpoint.hpp"

#include <fmt/format.h>

namespace krigon {

CheckpointUse checkpoint_use(const EarlyStopping& rule) {
  if (rule.type == "pbt") return CheckpointUse::clones;
  const bool pauses =
      rule.type == "hyperband" || rule.type == "bohb" || (rule.type == "asha" && rule.promote);
  return pauses ? CheckpointUse::resumes : CheckpointUse::none;
}

std::string missing_checkpoint(const StudySpec& spec) {
  if (spec.trial.checkpoint || spec.trial.command.empty()) return {};
  const auto& type = spec.early_stopping.type;
  switch (checkpoint_use(spec.early_stopping)) {
    case CheckpointUse::none:
      break;
    case CheckpointUse::resumes:
      return fmt::format(
          "{} pauses trials and takes some up again: without 'checkpoint: true' under 'trial' these begin "
          "again "
          "from their first step",
          type);
    case CheckpointUse::clones:
      return fmt::format(
          "{} begins trials with checkpoints of others: it needs 'checkpoint: true' under 'trial', and a "
          "program that writes checkpoints and goes on from them",
          type);
  }
  return {};
}

}  // namespace krigon
