#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/study_option.hpp"

namespace krigon::cli {

/// "[STUDY] TRIAL": which trial of which study. TRIAL may be "best".
struct TrialOption {
  StudyOption study;
  std::vector<std::string> words;

  void add_to(CommandBuilder& command);
};

struct ChosenTrial {
  OpenStudy study;
  TrialRecord trial;
  StudySpec spec;  ///< of the trial's revision
  std::uint64_t seed = 0;
};

/// Throws NotFoundError for a trial that is not there, or for the best of none.
ChosenTrial choose_trial(const Context& context, const TrialOption& option);

}  // namespace krigon::cli
