#include <map>
#include <ostream>
#include <set>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/trial_word.hpp"
#include "cli/values.hpp"
#include "render/human.hpp"
#include "render/table.hpp"
#include "render/width.hpp"

namespace krigon::cli {
namespace {

struct Options {
  TrialOption trial;
  bool json = false;
};

struct Everything {
  TrialRecord trial;
  StudySpec spec;  ///< of the trial's revision
  std::uint64_t seed = 0;
  std::vector<AttemptRecord> attempts;
  std::vector<ReportRecord> reports;
  std::vector<DecisionRecord> decisions;
};

nlohmann::json to_json(const Everything& all) {
  nlohmann::json json = trial_json(all.trial);
  json["seed"] = all.seed;
  json["command"] = command_line(all.spec, all.trial, all.seed);
  json["proposal"] = {{"sampler", all.trial.proposal.sampler},
                      {"saw_sequence", all.trial.proposal.saw_sequence},
                      {"pending", all.trial.proposal.pending},
                      {"model", all.trial.proposal.model},
                      {"note", all.trial.proposal.note}};
  json["all_attempts"] = nlohmann::json::array();
  for (const auto& a : all.attempts) {
    json["all_attempts"].push_back(
        {{"attempt", a.number},
         {"worker", a.worker},
         {"outcome", to_string(a.outcome)},
         {"exit_code", a.exit_code ? nlohmann::json(*a.exit_code) : nlohmann::json(nullptr)},
         {"signal", a.signal ? nlohmann::json(*a.signal) : nlohmann::json(nullptr)},
         {"resources", a.resources},
         {"stderr", a.stderr_tail},
         {"started", time_json(a.started)},
         {"ended", time_json(a.ended_at)}});
  }
  json["reports"] = nlohmann::json::array();
  for (const auto& r : all.reports) {
    json["reports"].push_back(
        {{"attempt", r.attempt}, {"step", r.step}, {"metric", r.metric}, {"value", r.value}});
  }
  json["decisions"] = nlohmann::json::array();
  for (const auto& d : all.decisions) {
    json["decisions"].push_back(
        {{"attempt", d.attempt}, {"step", d.step}, {"verdict", d.verdict}, {"basis", d.basis}});
  }
  return json;
}

Table parameters_table(const Everything& all) {
  Table table{{{"parameter"}, {"value"}}, {}};
  for (const auto& parameter : all.spec.space.parameters()) {
    const auto found = all.trial.parameters.find(parameter.name);
    if (found != all.trial.parameters.end()) table.rows.push_back({parameter.name, to_string(found->second)});
  }
  return table;
}

Table attempts_table(const Everything& all) {
  Table table{
      {{"attempt", Align::right}, {"outcome"}, {"took", Align::right}, {"exit", Align::right}, {"worker"}},
      {}};
  for (const auto& a : all.attempts) {
    const auto exit = a.exit_code ? std::to_string(*a.exit_code)
                      : a.signal  ? fmt::format("signal {}", *a.signal)
                                  : "";
    const auto took =
        a.ended_at == 0 ? "" : human_duration(static_cast<double>(a.ended_at - a.started) / kSecond);
    table.rows.push_back({std::to_string(a.number),
                          a.outcome == Outcome::none ? "running" : std::string(to_string(a.outcome)), took,
                          exit, a.worker});
  }
  return table;
}

/// One line a step of the newest attempt, one column a metric, and what the scheduler said.
Table reports_table(const Everything& all) {
  std::set<std::string> metrics;
  std::map<std::int64_t, Metrics> steps;
  for (const auto& r : all.reports) {
    if (r.attempt != all.trial.attempts) continue;
    metrics.insert(r.metric);
    steps[r.step][r.metric] = r.value;
  }
  std::map<std::int64_t, std::string> verdicts;
  for (const auto& d : all.decisions) {
    if (d.attempt == all.trial.attempts) verdicts[d.step] = d.verdict;
  }
  Table table{{{"step", Align::right}}, {}};
  for (const auto& metric : metrics) table.columns.push_back({metric, Align::right});
  table.columns.push_back({"verdict"});
  for (const auto& [step, values] : steps) {
    std::vector<Cell> row{std::to_string(step)};
    for (const auto& metric : metrics) {
      const auto value = values.find(metric);
      row.emplace_back(value == values.end() ? "" : human_number(value->second));
    }
    const auto verdict = verdicts.find(step);
    row.emplace_back(verdict == verdicts.end() ? "" : verdict->second);
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// Text of a program for a terminal: line by line, so that only its lines end lines.
std::string indented(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out += "  " + printable(std::string_view(text).substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

void print(const Everything& all, Context& context) {
  const auto& trial = all.trial;
  const auto& terminal = context.out_terminal;
  std::vector<std::pair<std::string, Cell>> fields{
      {"trial", std::to_string(trial.number)},
      {"state", {std::string(to_string(trial.state)), color_of(trial.state)}},
  };
  if (!trial.reason.empty()) fields.emplace_back("reason", trial.reason);
  for (const auto& [name, value] : trial.metrics) fields.emplace_back(name, to_string(value));
  fields.emplace_back("proposed by", trial.proposal.sampler);
  if (!trial.proposal.note.empty()) fields.emplace_back("note", trial.proposal.note);
  fields.emplace_back("seed", std::to_string(all.seed));
  if (!trial.key.empty()) fields.emplace_back("key", trial.key);
  fields.emplace_back("created (UTC)", human_time(trial.created));
  fields.emplace_back("ended (UTC)", human_time(trial.ended_at));
  const std::string command = command_line(all.spec, trial, all.seed);
  if (!command.empty()) fields.emplace_back("command", command);
  context.out << render_fields(fields, terminal) << "\n" << render_table(parameters_table(all), terminal);
  if (!all.attempts.empty()) context.out << "\n" << render_table(attempts_table(all), terminal);
  const Table reports = reports_table(all);
  if (!reports.rows.empty()) context.out << "\n" << render_table(reports, terminal);
  for (const auto& a : all.attempts) {
    if (a.stderr_tail.empty()) continue;
    context.out << fmt::format("\nlast lines of attempt {}'s standard error:\n{}", a.number,
                               indented(a.stderr_tail));
  }
}

int show(const Options& options, Context& context) {
  const ChosenTrial chosen = choose_trial(context, options.trial);
  Storage& storage = *chosen.study.storage;
  const auto id = chosen.study.record.id;
  const Everything all{chosen.trial,
                       chosen.spec,
                       chosen.seed,
                       storage.attempts(id, chosen.trial.number),
                       storage.reports(id, chosen.trial.number),
                       storage.decisions(id, chosen.trial.number)};
  if (options.json) {
    context.out << dump(to_json(all)) << "\n";
  } else {
    print(all, context);
  }
  return kOk;
}

}  // namespace

void add_show(Program& program) {
  program.add<Options>("show", "All about one trial: parameters, attempts, reports, verdicts, errors", show,
                       [](CommandBuilder& command, Options& o) {
                         o.trial.add_to(command);
                         command.flag("--json", o.json, "Print one JSON object");
                         command.footer(R"(Example:
  krigon show study.yaml 12)");
                       });
}

}  // namespace krigon::cli
