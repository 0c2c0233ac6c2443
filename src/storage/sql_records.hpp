#pragma once

// Records as rows of SQL tables, for every engine that keeps them so. Templates, since what an engine's
// statements cost is what a transition costs.

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "core/machine.hpp"
#include "krigon/error.hpp"
#include "storage/sql_key.hpp"
#include "storage/text.hpp"

namespace krigon::detail {

/// The columns that read_trial() reads, in its order; of the table `trial`.
#define KRIGON_TRIAL_COLUMNS                                                                          \
  "trial.number, trial.revision, trial.state, trial.parameters, trial.sampler, trial.saw_sequence, "  \
  "trial.pending, trial.model, trial.note, trial.key, trial.attempts, trial.losses, trial.metrics, "  \
  "trial.outcome, trial.reason, trial.ended_sequence, trial.created, trial.started, trial.ended_at, " \
  "trial.parent, trial.replaces"
/// How many they are.
constexpr int kTrialColumns = 21;
/// Likewise for read_attempt().
#define KRIGON_ATTEMPT_COLUMNS                                                                           \
  "attempt.trial, attempt.number, attempt.worker, attempt.fence, attempt.lease_until, attempt.outcome, " \
  "attempt.exit_code, attempt.signal, attempt.host, attempt.resources, attempt.stderr_tail, "            \
  "attempt.started, attempt.ended_at"
/// Likewise for read_head(), of the table `study`.
#define KRIGON_HEAD_COLUMNS                                                                                \
  "study.next_trial, study.sequence, study.fence, study.queued, study.running, study.completed, "          \
  "study.stopped, study.failed, study.cancelled, study.best_trial, study.best_value, study.running_time, " \
  "study.paused, study.suggester, study.suggester_fence, study.suggester_until"
/// How many they are.
constexpr int kHeadColumns = 16;
/// Of those, the one at the head of a study's queue.
#define KRIGON_AT_HEAD_OF_QUEUE "WHERE study = ? AND state = 'queued' ORDER BY front DESC, id LIMIT 1"
#define KRIGON_NEXT_QUEUED "SELECT " KRIGON_TRIAL_COLUMNS " FROM trial " KRIGON_AT_HEAD_OF_QUEUE
/// Stands for it where a trial's number is asked for.
constexpr std::int64_t kNextInQueue = -2;

/// SQL NULL for JSON null, so that empty columns cost nothing.
inline std::optional<std::string> nullable_text(const nlohmann::json& value) {
  return value.is_null() ? std::nullopt : std::optional(lenient_text(value));
}

template <class Query>
nlohmann::json nullable_json(const Query& query, int column, std::string_view what) {
  return query.null(column) ? nlohmann::json(nullptr) : parse_text(query.text(column), what);
}

inline std::optional<std::string> nullable_metrics(const Metrics& metrics) {
  if (metrics.empty()) return std::nullopt;
  return exact_text(metrics_to_json(metrics), "a metric's name");
}

inline std::optional<std::string> pending_text(const Proposal& p) {
  return p.pending.empty() ? std::nullopt : std::optional(nlohmann::json(p.pending).dump());
}

/// What completed trials are ordered by: the objective, the smaller the better.
inline std::optional<double> loss_of(const TrialRecord& t, const StudySpec& spec) {
  if (t.state != TrialState::completed) return std::nullopt;
  const auto& objective = spec.objective();
  const double value = t.metrics.at(objective.metric);
  return objective.direction == Direction::minimize ? value : -value;
}

/// The step of the reports or of the decision that a change adds.
inline std::optional<std::int64_t> step_of(const Change& change) {
  if (change.decision) return change.decision->step;
  if (!change.reports.empty()) return change.reports.front().step;
  return std::nullopt;
}

/// The trial's key in the tables, where an event has one.
inline std::optional<std::int64_t> trial_id(std::int64_t study, const EventRecord& e) {
  return e.trial < 0 ? std::nullopt : std::optional(pack(study, e.trial));
}

template <class Query>
std::optional<int> nullable_int(const Query& query, int column) {
  return query.null(column) ? std::nullopt : std::optional(static_cast<int>(query.integer(column)));
}

inline bool same_metrics(const Metrics& a, const Metrics& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first &&
           std::bit_cast<std::uint64_t>(x.second) == std::bit_cast<std::uint64_t>(y.second);
  });
}

inline std::optional<std::string_view> nullable(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

/// What a new row of `trial` holds, and its values in that order.
#define KRIGON_TRIAL_INSERTED                                                                                \
  "id, study, number, revision, state, front, attempts, losses, outcome, ended_sequence, created, started, " \
  "ended_at, key, parameters, metrics, reason, sampler, saw_sequence, pending, model, note, parent, "        \
  "replaces"
inline auto inserted_values(std::int64_t study, const TrialRecord& t, bool front) {
  const auto& p = t.proposal;
  return std::make_tuple(pack(study, t.number), study, t.number, t.revision, to_string(t.state), front,
                         t.attempts, t.losses, to_string(t.outcome), t.ended_sequence, t.created, t.started,
                         t.ended_at, nullable(t.key), text_of(t.parameters), nullable_metrics(t.metrics),
                         std::string_view(t.reason), std::string_view(p.sampler), p.saw_sequence,
                         pending_text(p), nullable_text(p.model), std::string_view(p.note), p.parent,
                         p.replaces);
}

/// What transitions change of it.
#define KRIGON_TRIAL_UPDATED                                                                          \
  "state = ?, attempts = ?, losses = ?, outcome = ?, ended_sequence = ?, started = ?, ended_at = ?, " \
  "metrics = ?, reason = ?, key = ?, loss = ?"
inline auto updated_values(const TrialRecord& t, const StudySpec& spec) {
  return std::make_tuple(to_string(t.state), t.attempts, t.losses, to_string(t.outcome), t.ended_sequence,
                         t.started, t.ended_at, nullable_metrics(t.metrics), std::string_view(t.reason),
                         nullable(t.key), loss_of(t, spec));
}

/// What another proposal changes.
#define KRIGON_TRIAL_REVISED                                                                        \
  "revision = ?, parameters = ?, sampler = ?, saw_sequence = ?, pending = ?, model = ?, note = ?, " \
  "parent = ?, replaces = ?"
inline auto revised_values(const TrialRecord& t) {
  const auto& p = t.proposal;
  return std::make_tuple(t.revision, text_of(t.parameters), std::string_view(p.sampler), p.saw_sequence,
                         pending_text(p), nullable_text(p.model), std::string_view(p.note), p.parent,
                         p.replaces);
}

/// What a row of `attempt` holds; and its values behind its trial and number.
#define KRIGON_ATTEMPT_INSERTED                                                                           \
  "trial, number, worker, fence, lease_until, outcome, exit_code, signal, host, resources, stderr_tail, " \
  "started, ended_at"
inline auto attempt_values(const AttemptRecord& a) {
  return std::make_tuple(std::string_view(a.worker), a.fence, a.lease_until, to_string(a.outcome),
                         a.exit_code, a.signal, std::string_view(a.host), nullable_text(a.resources),
                         std::string_view(a.stderr_tail), a.started, a.ended_at);
}

/// Runs a statement with the values of tuples, one after the other, for its arguments.
template <class Query, class Connection, class... Tuples>
void run_with(Connection& connection, const char* sql, const Tuples&... values) {
  std::apply([&](const auto&... v) { Query(connection, sql, v...).run(); }, std::tuple_cat(values...));
}

/// Whether an update would change nothing; the other columns never change.
inline bool same_row(const TrialRecord& a, const TrialRecord& b) {
  return a.number == b.number && a.state == b.state && a.attempts == b.attempts && a.losses == b.losses &&
         a.outcome == b.outcome && a.reason == b.reason && a.ended_sequence == b.ended_sequence &&
         a.started == b.started && a.ended_at == b.ended_at && a.key == b.key &&
         same_metrics(a.metrics, b.metrics);
}

inline bool same_row(const AttemptRecord& a, const AttemptRecord& b) {
  return a.trial == b.trial && a.number == b.number && a.worker == b.worker && a.fence == b.fence &&
         a.lease_until == b.lease_until && a.outcome == b.outcome && a.exit_code == b.exit_code &&
         a.signal == b.signal && a.host == b.host && a.resources == b.resources &&
         a.stderr_tail == b.stderr_tail && a.started == b.started && a.ended_at == b.ended_at;
}

/// Records from the current row; the columns as above, or as said. Throw StorageError for what no store of
/// ours holds.
template <class Query>
StudyHead read_head(const Query& query, int first = 0) {
  StudyHead head;
  int c = first;
  head.next_trial = query.integer(c++);
  head.sequence = query.integer(c++);
  head.fence = query.integer(c++);
  head.queued = query.integer(c++);
  head.running = query.integer(c++);
  head.completed = query.integer(c++);
  head.stopped = query.integer(c++);
  head.failed = query.integer(c++);
  head.cancelled = query.integer(c++);
  head.best_trial = query.integer(c++);
  head.best_value = query.real(c++);
  head.running_time = query.integer(c++);
  head.paused = query.integer(c++);
  head.suggester = query.text(c++);
  head.suggester_fence = query.integer(c++);
  head.suggester_until = query.integer(c++);
  return head;
}

template <class Query>
TrialRecord read_trial(const Query& query) {
  TrialRecord trial;
  trial.number = query.integer(0);
  try {
    trial.revision = query.integer(1);
    trial.state = trial_state_from(query.text(2));
    trial.parameters = parameters_from(query.text(3));
    trial.proposal.sampler = query.text(4);
    trial.proposal.saw_sequence = query.integer(5);
    if (!query.null(6)) nlohmann::json::parse(query.text(6)).get_to(trial.proposal.pending);
    if (!query.null(7)) trial.proposal.model = nlohmann::json::parse(query.text(7));
    trial.proposal.note = query.text(8);
    trial.key = query.text(9);
    trial.attempts = query.integer(10);
    trial.losses = query.integer(11);
    if (!query.null(12)) trial.metrics = metrics_from_json(nlohmann::json::parse(query.text(12)));
    trial.outcome = outcome_from(query.text(13));
    trial.reason = query.text(14);
    trial.ended_sequence = query.integer(15);
    trial.created = query.integer(16);
    trial.started = query.integer(17);
    trial.ended_at = query.integer(18);
    trial.proposal.parent = query.integer(19);
    trial.proposal.replaces = query.integer(20);
  } catch (const nlohmann::json::exception& e) {
    throw StorageError(fmt::format("the stored trial {} cannot be read: {}", trial.number, e.what()));
  } catch (const Error& e) {
    throw StorageError(fmt::format("the stored trial {} cannot be read: {}", trial.number, e.what()));
  }
  return trial;
}

template <class Query>
AttemptRecord read_attempt(const Query& query, int first = 0) {
  AttemptRecord attempt;
  int c = first;
  attempt.trial = number_of(query.integer(c++));
  attempt.number = query.integer(c++);
  attempt.worker = query.text(c++);
  attempt.fence = query.integer(c++);
  attempt.lease_until = query.integer(c++);
  attempt.outcome = outcome_from(query.text(c++));
  attempt.exit_code = nullable_int(query, c++);
  attempt.signal = nullable_int(query, c++);
  attempt.host = query.text(c++);
  attempt.resources = nullable_json(query, c++, "resources");
  attempt.stderr_tail = query.text(c++);
  attempt.started = query.integer(c++);
  attempt.ended_at = query.integer(c++);
  return attempt;
}

/// Columns name, host, slots, running, waiting, started, lease_until.
template <class Query>
WorkerRecord read_worker(const Query& query) {
  return {std::string(query.text(0)), std::string(query.text(1)), query.integer(2), query.integer(3),
          query.integer(4),           query.integer(5),           query.integer(6)};
}

template <class Query>
ReportRecord read_report(const Query& query) {
  return {number_of(query.integer(0)), query.integer(1), query.integer(2), std::string(query.text(3)),
          query.real(4)};
}

template <class Query>
DecisionRecord read_decision(const Query& query) {
  return {number_of(query.integer(0)), query.integer(1), query.integer(2), std::string(query.text(3)),
          nullable_json(query, 4, "decision")};
}

template <class Query>
EventRecord read_event(const Query& query) {
  EventRecord event;
  event.sequence = number_of(query.integer(0));
  event.time = query.integer(1);
  event.kind = query.text(2);
  event.trial = query.null(3) ? -1 : number_of(query.integer(3));
  event.attempt = query.integer(4);
  event.detail = nullable_json(query, 5, "event");
  return event;
}

}  // namespace krigon::detail
