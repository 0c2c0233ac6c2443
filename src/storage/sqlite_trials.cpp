#include "storage/sqlite_trials.hpp"

namespace krigon::detail {
namespace {

#define KRIGON_ATTEMPT_UPDATED                                                                         \
  "worker = ?, fence = ?, lease_until = ?, attempt_outcome = ?, exit_code = ?, signal = ?, host = ?, " \
  "resources = ?, stderr_tail = ?, attempt_started = ?, attempt_ended = ?"

void insert(Connection& connection, std::int64_t study, const Change& change) {
  const auto values = inserted_values(study, *change.trial, change.front);
  if (!change.attempt) {
    run_with<Query>(connection,
                    "INSERT INTO trial(" KRIGON_TRIAL_INSERTED
                    ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    values);
    return;
  }
  run_with<Query>(
      connection,
      "INSERT INTO trial(" KRIGON_TRIAL_INSERTED
      ", worker, fence, lease_until, attempt_outcome, exit_code, signal, host, resources, "
      "stderr_tail, attempt_started, attempt_ended) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      values, attempt_values(*change.attempt));
}

}  // namespace

std::optional<TrialRecord> SqliteTrials::find(Connection& connection, std::int64_t key,
                                              std::optional<AttemptRecord>& newest) {
  Query query(connection,
              "SELECT " KRIGON_TRIAL_COLUMNS ", " KRIGON_NEWEST_ATTEMPT " FROM trial WHERE id = ?", key);
  if (!query.next()) return std::nullopt;
  TrialRecord trial = read_trial(query);
  newest = trial.attempts > 0 ? std::optional(read_attempt(query, kTrialColumns)) : std::nullopt;
  return trial;
}

std::optional<AttemptRecord> SqliteTrials::attempt(Connection& connection, std::int64_t key,
                                                   std::int64_t number) {
  {
    Query query(connection,
                "SELECT " KRIGON_NEWEST_ATTEMPT " FROM trial WHERE id = ? AND attempts = ? AND attempts > 0",
                key, number);
    if (query.next()) return read_attempt(query);
  }
  Query query(connection, "SELECT " KRIGON_ATTEMPT_COLUMNS " FROM attempt WHERE trial = ? AND number = ?",
              key, number);
  return query.next() ? std::optional(read_attempt(query)) : std::nullopt;
}

void SqliteTrials::write(Connection& connection, std::int64_t study, const Change& change, bool is_new,
                         const std::optional<TrialRecord>& was,
                         const std::optional<AttemptRecord>& was_attempt, const StudySpec& spec) {
  if (change.trial && is_new) return insert(connection, study, change);
  const auto number = change.trial ? change.trial->number : change.attempt->trial;
  const std::tuple key{pack(study, number)};
  const bool trial = change.trial && (!was || !same_row(*was, *change.trial));
  const bool attempt = change.attempt && (!was_attempt || !same_row(*was_attempt, *change.attempt));
  if (attempt && change.attempt->number > 1 &&
      (!was_attempt || was_attempt->number < change.attempt->number)) {
    // It takes the place of the one before it.
    run_with<Query>(connection,
                    "INSERT INTO attempt(" KRIGON_ATTEMPT_INSERTED ") SELECT " KRIGON_NEWEST_ATTEMPT
                    " FROM trial WHERE id = ? AND attempts BETWEEN 1 AND ?",
                    key, std::tuple{change.attempt->number - 1});
  }
  if (change.revised) {
    run_with<Query>(connection, "UPDATE trial SET " KRIGON_TRIAL_REVISED " WHERE id = ?",
                    revised_values(*change.trial), key);
  }
  if (change.front) run_with<Query>(connection, "UPDATE trial SET front = 1 WHERE id = ?", key);
  if (trial && attempt) {
    run_with<Query>(connection,
                    "UPDATE trial SET " KRIGON_TRIAL_UPDATED ", " KRIGON_ATTEMPT_UPDATED " WHERE id = ?",
                    updated_values(*change.trial, spec), attempt_values(*change.attempt), key);
  } else if (trial) {
    run_with<Query>(connection, "UPDATE trial SET " KRIGON_TRIAL_UPDATED " WHERE id = ?",
                    updated_values(*change.trial, spec), key);
  } else if (attempt) {
    run_with<Query>(connection, "UPDATE trial SET " KRIGON_ATTEMPT_UPDATED " WHERE id = ?",
                    attempt_values(*change.attempt), key);
  }
}

}  // namespace krigon::detail
