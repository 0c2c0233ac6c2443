#include "config/trial_reader.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "config/checks.hpp"
#include "config/scalar.hpp"
#include "config/suggest.hpp"

namespace krigon::detail {
namespace {

std::map<std::string, std::string> read_env(const Field& field, const CommandNames& names) {
  std::map<std::string, std::string> env;
  for (const auto& entry : field.entries("variables", "{OMP_NUM_THREADS: 1}")) {
    const std::string& name = entry.key();
    if (!valid_variable(name)) {
      entry.error("a variable's name is made of letters, digits and '_', a letter or '_' first");
    } else if (name.starts_with("KRIGON_")) {
      entry.error("names that start with KRIGON_ are set by Krigon itself");
    } else if (const auto text = entry.any_text()) {
      env[name] = *text;
      for (const auto& parameter : names.parameters) {
        if (text->find("{" + parameter + "}") == std::string::npos) continue;
        entry.warning(fmt::format("{{{}}} is filled in in commands only; its value is in the variable {}",
                                  parameter, parameter_variable(parameter)));
      }
    }
  }
  return env;
}

std::map<std::string, MetricPattern> read_metrics(const Field& field, const std::string& objective) {
  std::map<std::string, MetricPattern> metrics;
  std::vector<std::string> names;
  for (const auto& entry : field.entries("metrics", "{accuracy: {from: stdout, pattern: 'acc=([0-9.]+)'}}")) {
    if (const auto why = why_no_metric(entry.key()); !why.empty()) entry.error(why);
    names.push_back(entry.key());
    if (entry.is(Node::Kind::scalar)) {
      entry.error(fmt::format("found {}, expected {{from: stdout, pattern: '...'}}", shown(entry.node())));
      continue;
    }
    Section section(entry);
    const Field from = section.take("from");
    const Field pattern = section.require("pattern", "a regular expression whose first group is the number");
    const auto source = from.word({"stdout", "stderr"});
    const auto text = pattern.text();
    if (text) {
      if (const auto why = why_no_pattern(*text); !why.empty()) pattern.error(why);
    }
    section.finish({{"regex", "write 'pattern'"}, {"source", "write 'from'"}});
    if (text) metrics[entry.key()] = {source && *source == "stderr", *text};
  }
  if (names.empty() || objective.empty()) return metrics;
  if (std::find(names.begin(), names.end(), objective) == names.end()) {
    field.warning(fmt::format(
        "the objective's metric {} is not among these, so the trials have to report it themselves{}",
        in_quotes(objective), did_you_mean(objective, names)));
  }
  return metrics;
}

}  // namespace

TrialSpec read_trial(const Field& field, const CommandNames& names, const std::string& objective) {
  Section section(field);
  TrialSpec trial;
  const Field command =
      section.require("command", "the program and its arguments, such as [python3, train.py]");
  if (const auto keeps = section.take("checkpoint").boolean()) trial.checkpoint = *keeps;
  trial.command = read_command(command, names, trial.checkpoint);
  const Field timeout = section.take("timeout");
  trial.timeout = timeout.duration();
  if (trial.timeout && trial.timeout->count() <= 0) timeout.error("found 0, expected a duration above 0");
  if (const auto grace = section.take("grace").duration()) trial.grace = *grace;
  if (const auto retries = section.take("retries").integer(0, 1000)) trial.retries = *retries;
  trial.env = read_env(section.take("env"), names);
  trial.metrics = read_metrics(section.take("metrics"), objective);
  const Field limit = section.take("output_limit");
  if (const auto size = limit.size()) {
    if (*size < 1024) limit.error(fmt::format("found {}, expected at least 1k", shown(limit.node())));
    trial.output_limit = *size;
  }
  if (const auto word = section.take("cwd").word({"trial", "study"})) trial.own_folder = *word == "trial";
  section.finish({{"cmd", "write 'command'"},
                  {"run", "write 'command'"},
                  {"args", "arguments are part of 'command'"},
                  {"environment", "write 'env'"},
                  {"workdir", "write 'cwd'"},
                  {"checkpoints", "write 'checkpoint'"},
                  {"parallel", "it goes under 'budget'"},
                  {"gpus", "it goes under 'resources'"},
                  {"memory", "it goes under 'resources'"}});
  return trial;
}

void check_variables(const Field& parameters) {
  if (!parameters.is(Node::Kind::map)) return;
  std::map<std::string, std::string> by_variable;
  for (const auto& parameter : parameters.entries("parameters", "{}")) {
    const std::string variable = parameter_variable(parameter.key());
    const auto [first, is_new] = by_variable.emplace(variable, parameter.key());
    if (is_new) continue;
    parameter.error(fmt::format("this and {} would both be {} in a trial's environment; rename one",
                                key_text(first->second), variable));
  }
}

std::vector<std::string> read_on_best(const Field& field, const CommandNames& names, bool checkpoint) {
  if (!field) return {};
  if (field.is(Node::Kind::list)) {
    field.error("found a list, expected {command: [program, argument, ...]}");
    return {};
  }
  Section section(field);
  auto command = read_command(section.require("command", "the program and its arguments"), names, checkpoint);
  section.finish({{"cmd", "write 'command'"}, {"run", "write 'command'"}});
  return command;
}

}  // namespace krigon::detail
