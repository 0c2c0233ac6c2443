#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/describe_space.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "core/url.hpp"
#include "render/human.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  bool json = false;
};

std::string budget_text(const BudgetSpec& budget) {
  std::string text = budget.trials ? count_of(*budget.trials, "trial") : "no limit of trials";
  if (budget.time)
    text +=
        fmt::format(", {} of running time", human_duration(static_cast<double>(budget.time->count()) / 1e3));
  return text + fmt::format(", {} at a time", budget.parallel);
}

std::string early_stopping_text(const EarlyStopping& e) {
  if (e.type == "none") return "none";
  std::string text = fmt::format("{} from step {}", e.type, e.min_steps);
  if (e.max_steps > 0) text += fmt::format(" to {}", e.max_steps);
  if (e.type == "asha") text += fmt::format(", 1 in {} goes on", human_number(e.reduction));
  if (e.type == "median") text += fmt::format(", after {} completed", count_of(e.startup, "trial"));
  return text;
}

int check(const Options& options, Context& context) {
  const StudyPlace place = locate(context, options.study);
  if (!place.loaded) throw UsageError("check needs a study file");
  const StudySpec& spec = place.loaded->spec;
  const std::string sampler = context.services.describe_sampler(spec);
  context.services.make_scheduler(spec.early_stopping);
  if (options.json) {
    context.out << dump({{"ok", true},
                         {"storage", without_password(place.url)},
                         {"sampler", sampler},
                         {"study", to_json(spec)}})
                << "\n";
    return kOk;
  }
  const auto& terminal = context.out_terminal;
  std::vector<std::pair<std::string, Cell>> fields{
      {"study", spec.name},
      {"objective",
       fmt::format("{} {}", spec.objective().direction == Direction::minimize ? "minimize" : "maximize",
                   spec.objective().metric)},
      {"storage", without_password(place.url)},
      {"trial", spec.trial.command.empty() ? "no command: driven by ask, tell or pipe"
                                           : shell_line(spec.trial.command)},
      {"budget", budget_text(spec.budget)},
      {"early stopping", early_stopping_text(spec.early_stopping)},
      {"sampler", sampler},
      {"seed", std::to_string(spec.seed)},
  };
  for (const auto& constraint : spec.space.constraints()) fields.emplace_back("constraint", constraint);
  fields.emplace_back(
      "space",
      fmt::format("{}, {}", count_of(static_cast<std::int64_t>(spec.space.parameters().size()), "parameter"),
                  describe_size(spec.space)));
  context.out << render_fields(fields, terminal) << "\n"
              << render_table(describe_space(spec.space), terminal);
  return kOk;
}

}  // namespace

void add_check(Program& program) {
  program.add<Options>(
      "check", "Validate a study file and say what a run of it would do", check,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        command.flag("--json", o.json, "Print one JSON object");
        command.footer(R"(Nothing is created. Exit status 2, with file, line and key, where the file is wrong.

Example:
  krigon check study.yaml)");
      });
}

}  // namespace krigon::cli
