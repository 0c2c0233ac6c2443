#pragma once

// What managers read of a study when they come to it, and from then on.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/storage.hpp"
#include "storage/sql_records.hpp"

namespace krigon::detail {

// The state as a literal, for the index that holds only these.
#define KRIGON_TRIALS_OPEN(state)                                                  \
  "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial WHERE study = ? AND state = '" state \
  "' AND id >= ? ORDER BY id LIMIT ?"
inline constexpr const char* kTrialsQueued = KRIGON_TRIALS_OPEN("queued");
inline constexpr const char* kTrialsRunning = KRIGON_TRIALS_OPEN("running");
inline constexpr const char* kTrialsPaused = KRIGON_TRIALS_OPEN("paused");

template <class Query, class Record>
std::vector<Record> all_rows(Query& query, Record (*read)(const Query&)) {
  std::vector<Record> result;
  while (query.next()) result.push_back(read(query));
  return result;
}

template <class Engine>
void reports_between(typename Engine::Connection& connection, std::int64_t first, std::int64_t last,
                     std::vector<ReportRecord>& into) {
  typename Engine::Query query(connection,
                               "SELECT trial, attempt, step, metric, value FROM report "
                               "WHERE trial BETWEEN ? AND ? ORDER BY trial, attempt, step, metric",
                               first, last);
  while (query.next()) into.push_back(read_report(query));
}

/// Storage::window(), of a study with this head.
template <class Engine>
Delta read_window(typename Engine::Connection& connection, std::int64_t study, StudyHead head,
                  std::int64_t from, std::int64_t best) {
  using Query = typename Engine::Query;
  Delta delta;
  delta.head = std::move(head);
  delta.sequence = delta.head.sequence;
  const auto first = pack(study, std::clamp<std::int64_t>(from, 0, kMaxNumber));
  const auto last = pack(study, kMaxNumber);
  if (from > 0) {
    for (const char* sql : {kTrialsQueued, kTrialsRunning, kTrialsPaused}) {
      Query open(connection, sql, study, pack(study, 0), kMaxNumber);
      while (open.next()) {
        if (open.integer(0) < from) delta.trials.push_back(read_trial(open));
      }
    }
    Query completed(connection,
                    "SELECT " KRIGON_TRIAL_COLUMNS
                    " FROM trial WHERE study = ? AND loss IS NOT NULL AND id < ? ORDER BY loss, id LIMIT ?",
                    study, first, best);
    while (completed.next()) delta.trials.push_back(read_trial(completed));
    std::sort(delta.trials.begin(), delta.trials.end(),
              [](const TrialRecord& a, const TrialRecord& b) { return a.number < b.number; });
  }
  for (const auto& trial : delta.trials) {
    const auto id = pack(study, trial.number);
    reports_between<Engine>(connection, id, id, delta.reports);
  }
  {
    Query newest(connection,
                 "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial WHERE id BETWEEN ? AND ? ORDER BY id", first,
                 last);
    while (newest.next()) delta.trials.push_back(read_trial(newest));
  }
  reports_between<Engine>(connection, first, last, delta.reports);
  return delta;
}

/// Storage::changes_since(), likewise.
template <class Engine>
Delta read_changes(typename Engine::Connection& connection, std::int64_t study, StudyHead head,
                   std::int64_t sequence, std::int64_t limit) {
  using Query = typename Engine::Query;
  Delta delta;
  delta.head = std::move(head);
  const auto after = std::clamp<std::int64_t>(sequence, 0, delta.head.sequence);
  delta.sequence = after + std::min(std::max<std::int64_t>(limit, 0), delta.head.sequence - after);
  if (after == delta.sequence) return delta;
  const auto first = pack(study, after + 1), last = pack(study, delta.sequence);
  {
    Query query(connection,
                "SELECT " KRIGON_TRIAL_COLUMNS
                " FROM trial WHERE id IN (SELECT trial FROM event WHERE id BETWEEN ? AND ?) ORDER BY id",
                first, last);
    delta.trials = all_rows(query, read_trial<Query>);
  }
  {
    Query query(connection, Engine::kReportsSince, first, last);
    delta.reports = all_rows(query, read_report<Query>);
  }
  Query query(connection, Engine::kDecisionsSince, first, last);
  delta.decisions = all_rows(query, read_decision<Query>);
  return delta;
}

}  // namespace krigon::detail
