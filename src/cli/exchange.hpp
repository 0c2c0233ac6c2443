#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/trial_rows.hpp"
#include "core/spec.hpp"

/// Trials as JSON lines and CSV, out and in.
namespace krigon::cli {

/// trial_json() with "reports": [{"step", "metrics"}] of the newest attempt and "last": its last
/// metrics where the trial did not complete.
nlohmann::json row_json(const TrialRow& row);

/// A header and one record a trial: trial, state, the parameters in the space's order, the metrics,
/// step, reason. A metric named like another column is "metric.NAME".
std::string rows_csv(const std::vector<TrialRow>& rows, const StudySpec& spec);

/// A trial from elsewhere, complete in the space it is read for.
struct ImportedTrial {
  Parameters parameters;
  TrialState state = TrialState::completed;  ///< completed, stopped or failed
  Metrics metrics;                           ///< final ones, where completed
  std::vector<std::pair<std::int64_t, Metrics>> reports;
  std::string reason;
  std::string key;
};

/// Trials from JSON lines as row_json() writes them; only "parameters" and, of a completed trial,
/// "metrics" with the objective are needed. Trials that had not ended are left out. Throws UsageError
/// with the line for anything else than that.
std::vector<ImportedTrial> trials_from_jsonl(std::string_view text, const StudySpec& spec);

/// Trials from CSV as rows_csv() writes it: columns named like parameters are those, `state`, `step`,
/// `reason` and `key` are known, `trial` is ignored, all others are metrics: final ones of a completed
/// trial, of another those reported at `step`. Throws UsageError with the line.
std::vector<ImportedTrial> trials_from_csv(std::string_view text, const StudySpec& spec);

}  // namespace krigon::cli
