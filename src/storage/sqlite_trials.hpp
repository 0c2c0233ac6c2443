#pragma once

#include <cstdint>
#include <optional>
#include <tuple>

#include "core/machine.hpp"
#include "storage/sql_records.hpp"
#include "storage/sqlite_connection.hpp"

namespace krigon::detail {

/// Trials and attempts in SQLite. What a transition costs is the pages that it writes: a trial's newest
/// attempt stands in the trial's own row, and in `attempt` only those before it.
struct SqliteTrials {
  static std::optional<TrialRecord> find(Connection& connection, std::int64_t key,
                                         std::optional<AttemptRecord>& newest);
  static std::optional<AttemptRecord> attempt(Connection& connection, std::int64_t key, std::int64_t number);
  static void write(Connection& connection, std::int64_t study, const Change& change, bool is_new,
                    const std::optional<TrialRecord>& was, const std::optional<AttemptRecord>& was_attempt,
                    const StudySpec& spec);

/// The newest attempt's columns of `trial`, as KRIGON_ATTEMPT_COLUMNS.
#define KRIGON_NEWEST_ATTEMPT                                                                              \
  "trial.id, trial.attempts, trial.worker, trial.fence, trial.lease_until, trial.attempt_outcome, "        \
  "trial.exit_code, trial.signal, trial.host, trial.resources, trial.stderr_tail, trial.attempt_started, " \
  "trial.attempt_ended"
  static constexpr const char* kAttempts =
      "SELECT " KRIGON_ATTEMPT_COLUMNS
      " FROM attempt WHERE trial = ?1 UNION ALL SELECT " KRIGON_NEWEST_ATTEMPT
      " FROM trial WHERE id = ?1 AND attempts > 0 ORDER BY 2";
  static constexpr const char* kRunning =
      "SELECT " KRIGON_NEWEST_ATTEMPT " FROM trial WHERE study = ? AND state = 'running' ORDER BY id";
};

}  // namespace krigon::detail
