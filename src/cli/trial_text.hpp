#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/records.hpp"
#include "core/spec.hpp"
#include "render/terminal.hpp"

/// Trials as JSON and as words, the same in every command.
namespace krigon::cli {

/// One line of JSON; text that is no UTF-8 (a program's stderr) has U+FFFD where it breaks.
std::string dump(const nlohmann::json& value);

/// "2026-01-31T12:34:56.123456Z", or null for 0.
nlohmann::json time_json(TimeUs time);

/// {"trial", "state", "parameters", "metrics", "reason", "sampler", ...}; `metrics` of a trial that did
/// not complete is empty.
nlohmann::json trial_json(const TrialRecord& trial);

/// {"trials": ..., "completed": ..., ...}
nlohmann::json head_json(const StudyHead& head);

Color color_of(TrialState state);

/// The last line of a program's output that is not blank.
std::string last_line(const std::string& text);

/// The objective's final value for a person; empty where there is none.
std::string value_text(const TrialRecord& trial, const Objective& objective);

enum class ParameterFormat { args, env, json, yaml };

/// The parameters for another program: "--name=value ..." quoted for a shell, KRIGON_PARAM_NAME=value
/// lines, a JSON object, or a YAML mapping. Ends in '\n'.
std::string format_parameters(const Space& space, const Parameters& parameters, ParameterFormat format);

/// What a person types to run the program with a trial's parameters: the trial's command filled in;
/// where it has no templates, with the parameters in front as variables. Empty without a command.
std::string command_line(const StudySpec& spec, const TrialRecord& trial, std::uint64_t seed);

}  // namespace krigon::cli
