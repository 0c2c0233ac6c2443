#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::vector<std::string> words;  ///< [STUDY] NAME=VALUE...
  std::string parameters;          ///< a JSON object
  bool json = false;
};

Parameters read_parameters(const Options& options, const std::vector<std::string>& words,
                           const Space& space) {
  if (options.parameters.empty()) return parse_parameters(space, words);
  if (!words.empty()) throw UsageError("give NAME=VALUE words or --parameters, not both");
  try {
    return parameters_from_json(nlohmann::json::parse(options.parameters));
  } catch (const nlohmann::json::exception& e) {
    throw UsageError(fmt::format("--parameters: {}", e.what()));
  }
}

int enqueue(Options options, Context& context) {
  std::vector<std::string> assignments;
  for (const auto& word : options.words) {
    if (word.find('=') != std::string::npos) {
      assignments.push_back(word);
    } else if (options.study.file.empty()) {
      options.study.file = word;
    } else {
      throw UsageError(fmt::format("found \"{}\", expected NAME=VALUE", word));
    }
  }
  const OpenStudy study = open_or_create_study(context, options.study);
  const auto parameters = read_parameters(options, assignments, study.record.spec.space);
  const TrialRecord trial = study.manager(context)->enqueue(parameters);
  if (options.json) {
    context.out << dump(trial_json(trial)) << "\n";
  } else {
    context.out << fmt::format("trial {} is queued: {}\n", trial.number,
                               parameters_line(study.record.spec.space, trial.parameters));
  }
  return kOk;
}

}  // namespace

void add_enqueue(Program& program) {
  program.add<Options>(
      "enqueue", "Put a point of your own at the head of the queue", enqueue,
      [](CommandBuilder& command, Options& o) {
        o.study.add_options_to(command);
        command.words(o.words, "[STUDY] NAME=VALUE...", "A value for every active parameter", 0, kAnyNumber);
        command.text("--parameters", o.parameters, "The parameters as a JSON object", "JSON");
        command.flag("--json", o.json, "Print the trial as one JSON object");
        command.footer(R"(Example:
  krigon enqueue study.yaml learning_rate=0.01 batch_size=64 dropout_rate=0.2 layers=2)");
      });
}

}  // namespace krigon::cli
