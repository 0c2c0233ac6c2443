#pragma once

#include <cstdint>
#include <optional>

#include "core/machine.hpp"
#include "storage/postgres_connection.hpp"

namespace krigon::detail {

/// "Now" where a transition is computed before anyone has asked the store's clock: times from here on mean so
/// long after the moment at which the statement runs.
inline constexpr TimeUs kStepNow = TimeUs{1} << 61;

/// A transition that was computed on what may be outdated by now, and takes effect only if it would have come
/// out the same.
struct PostgresStep {
  std::int64_t study = 0;
  std::int64_t revision = 0;
  StudyHead before;                  ///< of which the change is the difference
  std::optional<TrialRecord> trial;  ///< as it was read; none where it is a new one
  std::optional<AttemptRecord> attempt;
  std::int64_t version = 0;  ///< of the trial's row
  /// What it rests on of the head: the next trial's number, the suggester's token (-1, 0: on neither), and
  /// that fewer trials than these have ended or run.
  std::int64_t expect_number = -1;
  std::int64_t suggester = 0;
  std::optional<std::int64_t> budget;
  std::int64_t token = 0;       ///< the event's
  std::optional<TimeUs> clock;  ///< instead of the server's
};

/// What came of it.
struct PostgresStepDone {
  StudyHead head;
  TimeUs now = 0;
  std::int64_t version = 0;  ///< of the rows that it wrote
};

/// The transition as one statement, which is a transaction by itself, or the last of one. What everybody
/// wants, the study's row, it takes last and holds no longer than it takes to write the rest; numbers come
/// from it, so that those in `done.change` stand for what is next at that moment.
///
/// The locks of a transition are taken in this order: its trial's row, the study's turn
/// (KRIGON_POSTGRES_TURN), the study's row.
PostgresConnection::Statement step_statement(const PostgresStep& step, const Transition& done,
                                             const StudySpec& spec);

/// Its rows: nullopt where it was outdated, and nothing was changed. A heartbeat leaves `head` as it was.
std::optional<PostgresStepDone> read_step(const PostgresStep& step, PostgresResult result);

/// Puts the numbers and times that came of it in place of those that it was computed with.
void settle_step(const PostgresStep& step, const PostgresStepDone& came, Transition& done);

/// Waits for the study's turn and keeps it until the transaction's end: those who wait for a row itself all
/// wake up whenever it changes.
#define KRIGON_POSTGRES_TURN "SELECT pg_advisory_xact_lock(1802660199, (?::bigint)::int)"

#define KRIGON_POSTGRES_NOW "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

}  // namespace krigon::detail
