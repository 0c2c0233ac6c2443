#include <map>
#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "render/human.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

const std::map<std::string, ParameterFormat> kFormats{{"args", ParameterFormat::args},
                                                      {"env", ParameterFormat::env},
                                                      {"json", ParameterFormat::json},
                                                      {"yaml", ParameterFormat::yaml}};

struct Options {
  StudyOption study;
  std::string format;
  bool json = false;
};

int best(const Options& options, Context& context) {
  const OpenStudy study = open_study(context, options.study);
  const StudyHead& head = study.record.head;
  const auto trial =
      head.best_trial < 0 ? std::nullopt : study.storage->trial(study.record.id, head.best_trial);
  if (!trial) {
    context.err << fmt::format("krigon: no trial of \"{}\" has completed yet\n", study.record.name);
    return kNoResult;
  }
  const StudySpec spec = study.storage->spec_at(study.record.id, trial->revision);
  if (options.json) {
    context.out << dump(trial_json(*trial)) << "\n";
  } else if (!options.format.empty()) {
    context.out << format_parameters(spec.space, trial->parameters, kFormats.at(options.format));
  } else {
    std::vector<std::pair<std::string, Cell>> fields{{"trial", std::to_string(trial->number)}};
    for (const auto& [name, value] : trial->metrics) fields.emplace_back(name, to_string(value));
    context.out << render_fields(fields, context.out_terminal) << "\n";
    Table table{{{"parameter"}, {"value"}}, {}};
    for (const auto& parameter : spec.space.parameters()) {
      const auto found = trial->parameters.find(parameter.name);
      if (found != trial->parameters.end()) table.rows.push_back({parameter.name, to_string(found->second)});
    }
    context.out << render_table(table, context.out_terminal);
  }
  return kOk;
}

}  // namespace

void add_best(Program& program) {
  program.add<Options>(
      "best", "The completed trial with the best objective", best, [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        const auto format = command.choice("--format", o.format, "Print only the parameters, in this format",
                                           "FORMAT", {"args", "env", "json", "yaml"});
        const auto json = command.flag("--json", o.json, "Print the whole trial as one JSON object");
        command.exclusive(format, json);
        command.footer(R"(Exit status 1 while no trial has completed.

Example:
  python3 train.py $(krigon best study.yaml --format args)
  krigon best study.yaml --format yaml > best.yaml)");
      });
}

}  // namespace krigon::cli
