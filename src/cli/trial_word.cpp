#include "cli/trial_word.hpp"

#include <fmt/format.h>

#include "cli/values.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {

void TrialOption::add_to(CommandBuilder& command) {
  study.add_options_to(command);
  command.words(words, "[STUDY] TRIAL", "The trial's number, or `best`", 1, 2);
}

ChosenTrial choose_trial(const Context& context, const TrialOption& option) {
  StudyOption where = option.study;
  if (option.words.size() == 2) where.file = option.words.front();
  const std::string& word = option.words.back();
  const std::int64_t wanted = word == "best" ? -1 : parse_integer(word, "TRIAL");
  ChosenTrial chosen{open_study(context, where), {}, {}, 0};
  const StudyRecord& record = chosen.study.record;
  const std::int64_t number = word == "best" ? record.head.best_trial : wanted;
  const auto trial = number < 0 ? std::nullopt : chosen.study.storage->trial(record.id, number);
  if (!trial) {
    throw NotFoundError(word == "best"
                            ? fmt::format("no trial of \"{}\" has completed yet", record.name)
                            : fmt::format("there is no trial {} in \"{}\" (it has {})", number, record.name,
                                          record.head.next_trial == 0
                                              ? "none"
                                              : fmt::format("0 to {}", record.head.next_trial - 1)));
  }
  chosen.trial = *trial;
  chosen.spec = chosen.study.storage->spec_at(record.id, trial->revision);
  chosen.seed = trial_seed(chosen.spec, number);
  return chosen;
}

}  // namespace krigon::cli
