#include "cli/exchange.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "cli/csv.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {

using nlohmann::json;

namespace {

const std::set<std::string, std::less<>> kOwnColumns{"trial", "state", "step", "reason", "key"};

/// A metric's column: its name, unless another column has that.
std::string metric_column(const std::string& metric, const Space& space) {
  const bool taken = kOwnColumns.contains(metric) || space.find(metric) != nullptr;
  return taken ? "metric." + metric : metric;
}

/// nullopt: the trial had not ended. Throws UsageError.
std::optional<TrialState> imported_state(const std::string& word) {
  for (const auto state : {TrialState::completed, TrialState::stopped, TrialState::failed}) {
    if (word == to_string(state)) return state;
  }
  for (const auto state : {TrialState::queued, TrialState::running, TrialState::cancelled}) {
    if (word == to_string(state)) return std::nullopt;
  }
  throw UsageError(fmt::format("state is \"{}\", allowed: completed, stopped, failed", word));
}

void check(ImportedTrial& trial, const StudySpec& spec) {
  trial.parameters = spec.space.complete(trial.parameters);
  const std::string& metric = spec.objective().metric;
  if (trial.state == TrialState::completed && !trial.metrics.contains(metric)) {
    throw UsageError(fmt::format("a completed trial without a value of \"{}\"", metric));
  }
}

/// Adds the line to what goes wrong in reading it.
template <class Read>
void at_line(std::size_t line, Read&& read) {
  try {
    read();
  } catch (const Error& e) {
    throw UsageError(fmt::format("line {}: {}", line, e.what()));
  } catch (const json::exception& e) {
    throw UsageError(fmt::format("line {}: {}", line, e.what()));
  }
}

std::optional<ImportedTrial> trial_from_json(const json& object, const StudySpec& spec) {
  if (!object.is_object() || !object.contains("parameters")) {
    throw UsageError("expected an object with \"parameters\" and \"metrics\"");
  }
  ImportedTrial trial;
  const auto state = imported_state(object.value("state", std::string("completed")));
  if (!state) return std::nullopt;
  trial.state = *state;
  trial.parameters = parameters_from_json(object.at("parameters"));
  if (trial.state == TrialState::completed && object.contains("metrics")) {
    trial.metrics = metrics_from_json(object.at("metrics"));
  }
  if (object.contains("reports")) {
    for (const auto& report : object.at("reports")) {
      trial.reports.emplace_back(report.at("step").get<std::int64_t>(),
                                 metrics_from_json(report.at("metrics")));
    }
  }
  trial.reason = object.value("reason", std::string());
  if (object.contains("key") && object.at("key").is_string()) trial.key = object.at("key").get<std::string>();
  check(trial, spec);
  return trial;
}

}  // namespace

json row_json(const TrialRow& row) {
  json object = trial_json(row.trial);
  json reports = json::array();
  for (const auto& [step, metrics] : row.reports) {
    reports.push_back({{"step", step}, {"metrics", metrics_to_json(metrics)}});
  }
  object["step"] = row.step();
  object["reports"] = std::move(reports);
  if (row.trial.metrics.empty()) object["last"] = metrics_to_json(row.latest());
  return object;
}

std::string rows_csv(const std::vector<TrialRow>& rows, const StudySpec& spec) {
  std::set<std::string> names;
  for (const auto& row : rows) {
    for (const auto& [name, value] : row.latest()) names.insert(name);
  }
  // The objective first, the others by name.
  std::vector<std::string> metrics{spec.objective().metric};
  names.erase(spec.objective().metric);
  metrics.insert(metrics.end(), names.begin(), names.end());

  std::vector<std::string> header{"trial", "state"};
  for (const auto& parameter : spec.space.parameters()) header.push_back(parameter.name);
  for (const auto& metric : metrics) header.push_back(metric_column(metric, spec.space));
  header.insert(header.end(), {"step", "reason"});
  std::string out = csv_line(header);
  for (const auto& row : rows) {
    std::vector<std::string> fields{std::to_string(row.trial.number),
                                    std::string(to_string(row.trial.state))};
    for (const auto& parameter : spec.space.parameters()) {
      const auto value = row.trial.parameters.find(parameter.name);
      fields.push_back(value == row.trial.parameters.end() ? "" : to_string(value->second));
    }
    for (const auto& metric : metrics) {
      const auto value = row.latest().find(metric);
      fields.push_back(value == row.latest().end() ? "" : to_string(value->second));
    }
    fields.push_back(row.step() == 0 ? "" : std::to_string(row.step()));
    fields.push_back(row.trial.reason);
    out += csv_line(fields);
  }
  return out;
}

std::vector<ImportedTrial> trials_from_jsonl(std::string_view text, const StudySpec& spec) {
  std::vector<ImportedTrial> trials;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    at_line(number, [&] {
      if (auto trial = trial_from_json(json::parse(line), spec)) trials.push_back(std::move(*trial));
    });
  }
  return trials;
}

std::vector<ImportedTrial> trials_from_csv(std::string_view text, const StudySpec& spec) {
  const auto records = parse_csv(text);
  if (records.empty()) throw UsageError("line 1: a header is missing");
  const auto& header = records.front().fields;
  std::vector<ImportedTrial> trials;
  for (std::size_t r = 1; r < records.size(); ++r) {
    const auto& [fields, line] = records[r];
    at_line(line, [&, &values = fields] {
      if (values.size() != header.size()) {
        throw UsageError(fmt::format("{} fields, the header has {}", values.size(), header.size()));
      }
      ImportedTrial trial;
      std::string state = "completed";
      std::int64_t step = 0;
      for (std::size_t i = 0; i < header.size(); ++i) {
        const std::string& column = header[i];
        if (const Parameter* parameter = spec.space.find(column)) {
          if (!values[i].empty()) trial.parameters[column] = parse_value(*parameter, values[i]);
        } else if (column == "state") {
          state = values[i];
        } else if (column == "reason") {
          trial.reason = values[i];
        } else if (column == "key") {
          trial.key = values[i];
        } else if (column == "step") {
          if (!values[i].empty()) step = parse_integer(values[i], "step");
        } else if (!kOwnColumns.contains(column) && !values[i].empty()) {
          const std::string metric = column.starts_with("metric.") ? column.substr(7) : column;
          trial.metrics[metric] = parse_number(values[i], fmt::format("metric \"{}\"", metric));
        }
      }
      const auto known = imported_state(state);
      if (!known) return;
      trial.state = *known;
      if (trial.state != TrialState::completed) {
        if (step > 0 && !trial.metrics.empty()) trial.reports.emplace_back(step, trial.metrics);
        trial.metrics.clear();
      }
      check(trial, spec);
      trials.push_back(std::move(trial));
    });
  }
  return trials;
}

}  // namespace krigon::cli
