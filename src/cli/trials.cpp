#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exchange.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_rows.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "render/human.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

struct Options {
  StudyOption study;
  std::string state;
  std::optional<std::int64_t> top;
  bool csv = false;
  bool json = false;
};

Table table_of(const std::vector<TrialRow>& rows, const StudySpec& spec) {
  const Objective& objective = spec.objective();
  Table table{{{"trial", Align::right},
               {"state"},
               {objective.metric, Align::right},
               {"step", Align::right},
               {"parameters"},
               {"reason"}},
              {}};
  for (const auto& row : rows) {
    const auto value = row.latest().find(objective.metric);
    table.rows.push_back({std::to_string(row.trial.number),
                          {std::string(to_string(row.trial.state)), color_of(row.trial.state)},
                          value == row.latest().end() ? "" : human_number(value->second),
                          row.step() == 0 ? "" : std::to_string(row.step()),
                          short_parameters_line(spec.space, row.trial.parameters),
                          row.trial.reason});
  }
  return table;
}

int trials(const Options& options, Context& context) {
  const OpenStudy study = open_study(context, options.study);
  const StudySpec& spec = study.record.spec;
  std::vector<TrialRow> rows = load_trials(*study.storage, study.record.id);
  if (!options.state.empty()) {
    const TrialState state = trial_state_from(options.state);
    std::erase_if(rows, [&](const TrialRow& row) { return row.trial.state != state; });
  }
  if (options.top) {
    sort_by_objective(rows, spec.objective());
    rows.resize(std::min(rows.size(), static_cast<std::size_t>(*options.top)));
  }
  if (options.json) {
    for (const auto& row : rows) context.out << dump(row_json(row)) << "\n";
  } else if (options.csv) {
    context.out << rows_csv(rows, spec);
  } else {
    context.out << render_table(table_of(rows, spec), context.out_terminal);
  }
  return kOk;
}

}  // namespace

void add_trials(Program& program) {
  program.add<Options>(
      "trials", "A study's trials as a table, CSV or JSON lines", trials,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        command.choice("--state", o.state, "Only trials in this state", "STATE",
                       {"queued", "running", "paused", "completed", "stopped", "failed", "cancelled"});
        command.integer("--top", o.top, "Only the N best, best first", 1, INT64_MAX);
        const auto csv = command.flag("--csv", o.csv, "Print comma-separated values with a header");
        const auto json = command.flag("--json", o.json, "Print one JSON object a line");
        command.exclusive(csv, json);
        command.footer(R"(Of a trial that did not complete, the metrics are those that it reported last.

Example:
  krigon trials study.yaml --top 10
  krigon trials study.yaml --csv > trials.csv)");
      });
}

}  // namespace krigon::cli
