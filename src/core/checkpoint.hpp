#pragma once

#include <string>

#include "core/spec.hpp"

namespace krigon {

/// What a rule of early stopping does with trials' checkpoints.
enum class CheckpointUse {
  none,     ///< whom it stops never goes on
  resumes,  ///< takes paused trials up again, which otherwise begin from their first step
  clones,   ///< begins trials with others' checkpoints: cannot work without
};

CheckpointUse checkpoint_use(const EarlyStopping& rule);

/// What a study lacks whose rule uses checkpoints and whose program keeps none (TrialSpec::checkpoint), in
/// words that name the key; empty: nothing. With CheckpointUse::clones it is an error, otherwise worth a
/// warning. Nothing is asked of a study without a command: whoever asks and tells has checkpoints of its own.
std::string missing_checkpoint(const StudySpec& spec);

}  // namespace krigon
