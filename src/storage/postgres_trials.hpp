#pragma once

#include <cstdint>
#include <optional>
#include <tuple>

#include "core/machine.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/sql_records.hpp"

namespace krigon::detail {

/// Trials and attempts in PostgreSQL: a row for each attempt, so that a heartbeat does not write the whole
/// trial anew.
struct PostgresTrials {
  using Connection = PostgresConnection;
  using Query = PostgresQuery;

  static std::optional<TrialRecord> find(Connection& connection, std::int64_t key,
                                         std::optional<AttemptRecord>&) {
    Query query(connection, "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial WHERE id = ?", key);
    return query.next() ? std::optional(read_trial(query)) : std::nullopt;
  }

  static std::optional<AttemptRecord> attempt(Connection& connection, std::int64_t key, std::int64_t number) {
    Query query(connection, "SELECT " KRIGON_ATTEMPT_COLUMNS " FROM attempt WHERE trial = ? AND number = ?",
                key, number);
    return query.next() ? std::optional(read_attempt(query)) : std::nullopt;
  }

  static void write(Connection& connection, std::int64_t study, const Change& change, bool is_new,
                    const std::optional<TrialRecord>& was, const std::optional<AttemptRecord>& was_attempt,
                    const StudySpec& spec) {
    if (change.trial) {
      const TrialRecord& t = *change.trial;
      const std::tuple key{pack(study, t.number)};
      if (is_new) {
        run_with<Query>(connection,
                        "INSERT INTO trial(" KRIGON_TRIAL_INSERTED
                        ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        inserted_values(study, t, change.front));
      } else {
        if (change.revised) {
          run_with<Query>(connection, "UPDATE trial SET " KRIGON_TRIAL_REVISED " WHERE id = ?",
                          revised_values(t), key);
        }
        if (change.front) run_with<Query>(connection, "UPDATE trial SET front = 1 WHERE id = ?", key);
        if (!was || !same_row(*was, t)) {
          run_with<Query>(connection, "UPDATE trial SET " KRIGON_TRIAL_UPDATED " WHERE id = ?",
                          updated_values(t, spec), key);
        }
      }
    }
    if (change.attempt && (!was_attempt || !same_row(*was_attempt, *change.attempt))) {
      const AttemptRecord& a = *change.attempt;
      run_with<Query>(
          connection,
          "INSERT INTO attempt(" KRIGON_ATTEMPT_INSERTED
          ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT(trial, number) DO UPDATE SET worker = excluded.worker, fence = excluded.fence, "
          "lease_until = excluded.lease_until, outcome = excluded.outcome, exit_code = excluded.exit_code, "
          "signal = excluded.signal, host = excluded.host, resources = excluded.resources, "
          "stderr_tail = excluded.stderr_tail, started = excluded.started, ended_at = excluded.ended_at",
          std::tuple{pack(study, a.trial), a.number}, attempt_values(a));
    }
  }
};

}  // namespace krigon::detail
