#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/records.hpp"
#include "core/storage.hpp"

namespace krigon::cli {

/// A trial and what its newest attempt reported.
struct TrialRow {
  TrialRecord trial;
  std::map<std::int64_t, Metrics> reports;  ///< by step

  std::int64_t step() const { return reports.empty() ? 0 : reports.rbegin()->first; }
  /// Final metrics; those last reported where the trial has none.
  const Metrics& latest() const;
};

/// All trials of a study, by number.
std::vector<TrialRow> load_trials(Storage& storage, std::int64_t study);

/// Completed trials first, best to worst by the objective (the earliest among equals), then the rest
/// by number.
void sort_by_objective(std::vector<TrialRow>& rows, const Objective& objective);

}  // namespace krigon::cli
