#include <istream>
#include <ostream>
#include <string>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  bool yes = false;
  bool json = false;
};

int remove(const Options& options, Context& context) {
  const OpenStudy study = open_study(context, options.study);
  const auto& head = study.record.head;
  if (!options.yes) {
    if (!context.in_is_terminal)
      throw UsageError("delete asks before it deletes: give --yes where nobody can answer");
    context.err << fmt::format("Delete the study \"{}\" with its {} from {}? [y/N] ", study.record.name,
                               count_of(head.next_trial, "trial"), study.storage->url())
                << std::flush;
    std::string answer;
    std::getline(context.in, answer);
    if (answer != "y" && answer != "Y" && answer != "yes") {
      context.err << "nothing was deleted\n";
      return kNoResult;
    }
  }
  study.storage->delete_study(study.record.id);
  if (options.json) {
    context.out << dump({{"deleted", study.record.name}, {"trials", head.next_trial}}) << "\n";
  } else {
    context.out << fmt::format("deleted \"{}\" with its {}\n", study.record.name,
                               count_of(head.next_trial, "trial"));
  }
  return kOk;
}

}  // namespace

void add_delete(Program& program) {
  program.add<Options>("delete", "Delete a study with all its trials from its store", remove,
                       [](CommandBuilder& command, Options& o) {
                         o.study.add_to(command);
                         command.flag("--yes", o.yes, "Do not ask before deleting");
                         command.flag("--json", o.json, "Print one JSON object");
                         command.footer(R"(The trials' folders (krigon-trials) are left where they are.

Example:
  krigon delete study.yaml --yes)");
                       });
}

}  // namespace krigon::cli
