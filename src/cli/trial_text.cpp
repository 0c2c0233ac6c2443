#include "cli/trial_text.hpp"

#include <ctime>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/values.hpp"
#include "render/human.hpp"
#include "runner/runner.hpp"

namespace krigon::cli {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json time_json(TimeUs time) {
  if (time == 0) return nullptr;
  const auto seconds = static_cast<std::time_t>(time / kSecond);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), time % kSecond);
}

json trial_json(const TrialRecord& trial) {
  return {{"trial", trial.number},
          {"state", to_string(trial.state)},
          {"parameters", to_json(trial.parameters)},
          {"metrics", metrics_to_json(trial.metrics)},
          {"outcome", trial.outcome == Outcome::none ? json(nullptr) : json(to_string(trial.outcome))},
          {"reason", trial.reason},
          {"sampler", trial.proposal.sampler},
          {"key", trial.key.empty() ? json(nullptr) : json(trial.key)},
          {"attempts", trial.attempts},
          {"revision", trial.revision},
          {"created", time_json(trial.created)},
          {"started", time_json(trial.started)},
          {"ended", time_json(trial.ended_at)}};
}

json head_json(const StudyHead& head) {
  return {{"trials", head.next_trial},
          {"queued", head.queued},
          {"running", head.running},
          {"paused", head.paused},
          {"completed", head.completed},
          {"stopped", head.stopped},
          {"failed", head.failed},
          {"cancelled", head.cancelled},
          {"running_seconds", static_cast<double>(head.running_time) / kSecond}};
}

Color color_of(TrialState state) {
  switch (state) {
    case TrialState::running:
      return Color::cyan;
    case TrialState::completed:
      return Color::green;
    case TrialState::stopped:
      return Color::yellow;
    case TrialState::failed:
      return Color::red;
    case TrialState::queued:
    case TrialState::paused:
    case TrialState::cancelled:
      break;
  }
  return Color::dim;
}

std::string last_line(const std::string& text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  if (last == std::string::npos) return "";
  const auto before = text.find_last_of('\n', last);
  const auto start = before == std::string::npos ? 0 : before + 1;
  return text.substr(start, last - start + 1);
}

std::string value_text(const TrialRecord& trial, const Objective& objective) {
  const auto found = trial.metrics.find(objective.metric);
  return found == trial.metrics.end() ? "" : human_number(found->second);
}

namespace {

/// A scalar that YAML 1.1 and 1.2 readers take for what it is. JSON's forms are YAML's, but 1.1 reads
/// "1e-05" without a point as text.
std::string yaml_scalar(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return dump(*text);
  std::string text = to_string(value);
  if (!std::holds_alternative<double>(value)) return text;
  const auto exponent = text.find('e');
  if (text.find('.') == std::string::npos)
    text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  return text;
}

}  // namespace

std::string format_parameters(const Space& space, const Parameters& parameters, ParameterFormat format) {
  if (format == ParameterFormat::json) return dump(to_json(parameters)) + "\n";
  std::string out;
  for (const auto& parameter : space.parameters()) {
    const auto found = parameters.find(parameter.name);
    if (found == parameters.end()) continue;
    const std::string text = to_string(found->second);
    switch (format) {
      case ParameterFormat::args:
        out += (out.empty() ? "" : " ") + shell_quote("--" + parameter.name + "=" + text);
        break;
      case ParameterFormat::env:
        out += variable_name(parameter.name) + "=" + shell_quote(text) + "\n";
        break;
      case ParameterFormat::yaml:
        out += parameter.name + ": " + yaml_scalar(found->second) + "\n";
        break;
      case ParameterFormat::json:
        break;
    }
  }
  return format == ParameterFormat::args ? out + "\n" : out;
}

std::string command_line(const StudySpec& spec, const TrialRecord& trial, std::uint64_t seed) {
  const auto& command = spec.trial.command;
  if (command.empty()) return "";
  // Where the trial had a folder of its own, a person has the one that the command is started in.
  const std::map<std::string, std::string> extra{{"trial", std::to_string(trial.number)},
                                                 {"attempt", "1"},
                                                 {"seed", std::to_string(seed)},
                                                 {"max_steps", std::to_string(spec.early_stopping.max_steps)},
                                                 {"folder", "."},
                                                 {"checkpoint", "."},
                                                 {"study_folder", "."}};
  const auto words = expand_command(command, spec.space, trial.parameters, extra);
  std::string line;
  if (words == command) {
    for (const auto& parameter : spec.space.parameters()) {
      const auto found = trial.parameters.find(parameter.name);
      if (found != trial.parameters.end()) {
        line += variable_name(parameter.name) + "=" + shell_quote(to_string(found->second)) + " ";
      }
    }
  }
  return line + shell_line(words);
}

}  // namespace krigon::cli
