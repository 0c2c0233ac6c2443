#include "storage/postgres_step.hpp"

#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "storage/sql_rows.hpp"

namespace krigon::detail {
namespace {

/// The same text at one address for good, which is what prepared statements go by. There are as many as
/// there are kinds of changes.
const char* lasting(std::string text) {
  static std::mutex lock;
  static std::unordered_set<std::string> texts;
  const std::lock_guard guard(lock);
  return texts.insert(std::move(text)).first->c_str();
}

/// A statement that grows from its beginning to its end, with its values.
class Sql {
 public:
  template <class... Arguments>
  Sql& add(std::string_view text, const Arguments&... arguments) {
    text_ += text;
    (bind_argument(values_, arguments), ...);
    return *this;
  }
  PostgresConnection::Statement statement() && {
    return {lasting(std::move(text_)), std::move(values_.values)};
  }

 private:
  std::string text_;
  PostgresValues values_;
};

/// The parts of one step's statement.
class Writer {
 public:
  Writer(const PostgresStep& step, const Transition& done, const StudySpec& spec)
      : step_(step), change_(done.change), spec_(spec) {}

  PostgresConnection::Statement whole() && {
    sql_.add("WITH ");
    if (step_.trial) {
      sql_.add(
          "own AS MATERIALIZED (SELECT 1 FROM trial WHERE id = ? AND xmin::text::bigint = ? FOR UPDATE), ",
          pack(step_.study, step_.trial->number), step_.version);
    }
    if (!change_.head) {
      heartbeat();
      return std::move(sql_).statement();
    }
    sql_.add("turn AS MATERIALIZED (" KRIGON_POSTGRES_TURN ", ", step_.study);
    now();
    sql_.add(step_.trial ? " AS now FROM own)" : " AS now)");
    head();
    if (change_.trial) trial(*change_.trial);
    if (change_.attempt) attempt(*change_.attempt);
    reports();
    decision();
    event();
    sql_.add("SELECT " KRIGON_HEAD_COLUMNS
             ", study.now, pg_current_xact_id()::xid::text::bigint FROM head AS study");
    return std::move(sql_).statement();
  }

 private:
  void now() {
    if (step_.clock) {
      sql_.add("?::bigint", *step_.clock);
    } else {
      sql_.add(KRIGON_POSTGRES_NOW);
    }
  }

  void heartbeat() {
    sql_.add("head AS MATERIALIZED (SELECT ");
    now();
    sql_.add(" AS now FROM own), renewed AS (UPDATE attempt SET lease_until = ");
    time(change_.attempt->lease_until);
    sql_.add(
        " FROM head WHERE attempt.trial = ? AND attempt.number = ? AND attempt.ended_at = 0 "
        "RETURNING head.now) SELECT now FROM renewed",
        pack(step_.study, change_.attempt->trial), change_.attempt->number);
  }

  void count(std::string_view column, std::int64_t before, std::int64_t after) {
    if (after == before) return;
    sql_.add(", ").add(column).add(" = study.").add(column).add(" + ?::bigint", after - before);
  }

  void head() {
    const StudyHead &b = step_.before, &a = *change_.head;
    sql_.add(", head AS (UPDATE study SET sequence = study.sequence + 1");
    count("next_trial", b.next_trial, a.next_trial);
    count("fence", b.fence, a.fence);
    count("queued", b.queued, a.queued);
    count("running", b.running, a.running);
    count("paused", b.paused, a.paused);
    count("completed", b.completed, a.completed);
    count("stopped", b.stopped, a.stopped);
    count("failed", b.failed, a.failed);
    count("cancelled", b.cancelled, a.cancelled);
    if (change_.trial && change_.trial->state == TrialState::completed) {
      const auto& objective = spec_.objective();
      const double value = change_.trial->metrics.at(objective.metric);
      const std::string better = objective.direction == Direction::minimize
                                     ? "CASE WHEN study.best_trial < 0 OR ?::float8 < study.best_value"
                                     : "CASE WHEN study.best_trial < 0 OR ?::float8 > study.best_value";
      sql_.add(", best_trial = ").add(better, value);
      sql_.add(" THEN ?::bigint ELSE study.best_trial END", change_.trial->number);
      sql_.add(", best_value = ").add(better, value);
      sql_.add(" THEN ?::float8 ELSE study.best_value END", value);
    }
    sql_.add(" FROM turn WHERE study.id = ? AND study.revision = ?", step_.study, step_.revision);
    if (step_.expect_number >= 0) sql_.add(" AND study.next_trial = ?", step_.expect_number);
    if (step_.suggester != 0) sql_.add(" AND study.suggester_fence = ?", step_.suggester);
    if (step_.budget) {
      sql_.add(" AND study.completed + study.stopped + study.failed + study.running < ?::bigint",
               *step_.budget);
    }
    sql_.add(" RETURNING " KRIGON_HEAD_COLUMNS ", turn.now)");
  }

  /// A time that is known, or so long after the statement's.
  void time(TimeUs at) {
    if (at >= kStepNow / 2) {
      sql_.add("head.now + ?::bigint", at - kStepNow);
    } else {
      sql_.add("?::bigint", at);
    }
  }
  /// A trial's number with its study's; a new one's comes from the head.
  void trial_id(std::int64_t number) {
    if (step_.trial) {
      sql_.add("?::bigint", pack(step_.study, number));
    } else {
      sql_.add("?::bigint + head.next_trial - 1", pack(step_.study, 0));
    }
  }
  void ended_sequence(const TrialRecord& t) {
    if (t.ended_sequence == step_.before.sequence + 1) {
      sql_.add("head.sequence");
    } else {
      sql_.add("?::bigint", t.ended_sequence);
    }
  }

  void trial(const TrialRecord& t) {
    if (!t.key.empty() && (!step_.trial || step_.trial->key != t.key)) {
      sql_.add(", key AS (INSERT INTO trial_key(study, key, number) SELECT ?::bigint, ?::text, ", step_.study,
               t.key);
      step_.trial ? sql_.add("?::bigint", t.number) : sql_.add("head.next_trial - 1");
      sql_.add(" FROM head)");
    }
    if (!step_.trial) {
      insert(t);
    } else if (change_.front || !same_row(*step_.trial, t)) {
      update(t);
    }
  }

  void insert(const TrialRecord& t) {
    const auto& p = t.proposal;
    sql_.add(
        ", made AS (INSERT INTO trial(id, number, study, revision, state, front, attempts, losses, outcome, "
        "key, parameters, metrics, reason, sampler, saw_sequence, pending, model, note, parent, replaces, "
        "ended_sequence, created, started, ended_at) SELECT ");
    trial_id(t.number);
    sql_.add(
        ", head.next_trial - 1, ?::bigint, ?::bigint, ?::text, ?::bigint, ?::bigint, ?::bigint, ?::text, "
        "?::text, ?::text, ?::text, ?::bytea, ?::text, ?::bigint, ?::text, ?::text, ?::bytea, ?::bigint, "
        "?::bigint, ",
        step_.study, t.revision, to_string(t.state), change_.front, t.attempts, t.losses,
        to_string(t.outcome), t.key.empty() ? std::nullopt : std::optional(t.key), text_of(t.parameters),
        nullable_metrics(t.metrics), t.reason, p.sampler, p.saw_sequence, pending_text(p),
        nullable_text(p.model), p.note, p.parent, p.replaces);
    ended_sequence(t);
    times({t.created, t.started, t.ended_at});
    sql_.add(" FROM head)");
  }

  void times(std::initializer_list<TimeUs> all) {
    for (const TimeUs at : all) {
      sql_.add(", ");
      time(at);
    }
  }

  void update(const TrialRecord& t) {
    sql_.add(
        ", changed AS (UPDATE trial SET state = ?::text, attempts = ?::bigint, losses = ?::bigint, "
        "outcome = ?::text, metrics = ?::text, reason = ?::bytea, key = ?::text, loss = ?::float8",
        to_string(t.state), t.attempts, t.losses, to_string(t.outcome), nullable_metrics(t.metrics), t.reason,
        t.key.empty() ? std::nullopt : std::optional(t.key), loss_of(t, spec_));
    if (change_.front) sql_.add(", front = 1");
    sql_.add(", ended_sequence = ");
    ended_sequence(t);
    sql_.add(", started = ");
    time(t.started);
    sql_.add(", ended_at = ");
    time(t.ended_at);
    sql_.add(" FROM head WHERE trial.id = ?)", pack(step_.study, t.number));
  }

  void attempt(const AttemptRecord& a) {
    const bool is_new = !step_.attempt || step_.attempt->number != a.number;
    if (is_new) {
      sql_.add(
          ", begun AS (INSERT INTO attempt(trial, number, worker, fence, outcome, exit_code, signal, host, "
          "resources, stderr_tail, lease_until, started, ended_at) SELECT ");
      trial_id(a.trial);
      sql_.add(", ?::bigint, ?::text, head.fence, ?::text, ?::bigint, ?::bigint, ?::text, ?::text, ?::bytea",
               a.number, a.worker, to_string(a.outcome), a.exit_code, a.signal, a.host,
               nullable_text(a.resources), a.stderr_tail);
      times({a.lease_until, a.started, a.ended_at});
      sql_.add(" FROM head)");
    } else if (!same_row(*step_.attempt, a)) {
      // Its lease may have been renewed meanwhile.
      sql_.add(
          ", done AS (UPDATE attempt SET outcome = ?::text, exit_code = ?::bigint, signal = ?::bigint, "
          "stderr_tail = ?::bytea, ended_at = ",
          to_string(a.outcome), a.exit_code, a.signal, a.stderr_tail);
      time(a.ended_at);
      sql_.add(" FROM head WHERE attempt.trial = ? AND attempt.number = ?)", pack(step_.study, a.trial),
               a.number);
    }
  }

  void reports() {
    if (change_.reports.empty()) return;
    const auto& first = change_.reports.front();
    sql_.add(
        ", report AS (INSERT INTO report(trial, attempt, step, metric, value, sequence) "
        "SELECT ?::bigint, ?::bigint, ?::bigint, metric, value, head.sequence FROM head, (VALUES ",
        pack(step_.study, first.trial), first.attempt, first.step);
    for (const auto& r : change_.reports) {
      sql_.add(&r == &first ? "(?::text, ?::float8)" : ", (?::text, ?::float8)", r.metric, r.value);
    }
    sql_.add(") AS told(metric, value))");
  }

  void decision() {
    if (!change_.decision) return;
    const auto& d = *change_.decision;
    sql_.add(
        ", decision AS (INSERT INTO decision(trial, sequence, attempt, step, verdict, basis) "
        "SELECT ?::bigint, head.sequence, ?::bigint, ?::bigint, ?::text, ?::text FROM head)",
        pack(step_.study, d.trial), d.attempt, d.step, d.verdict, nullable_text(d.basis));
  }

  void event() {
    const auto& e = *change_.event;
    sql_.add(
        ", event AS (INSERT INTO event(id, time, kind, attempt, step, detail, token, trial) "
        "SELECT ?::bigint + head.sequence, head.now, ?::text, ?::bigint, ?::bigint, ?::text, ?::bigint, ",
        pack(step_.study, 0), e.kind, e.attempt, step_of(change_), nullable_text(e.detail), step_.token);
    trial_id(e.trial);
    sql_.add(" FROM head) ");
  }

  const PostgresStep& step_;
  const Change& change_;
  const StudySpec& spec_;
  Sql sql_;
};

}  // namespace

PostgresConnection::Statement step_statement(const PostgresStep& step, const Transition& done,
                                             const StudySpec& spec) {
  return Writer(step, done, spec).whole();
}

std::optional<PostgresStepDone> read_step(const PostgresStep& step, PostgresResult result) {
  PostgresQuery row(std::move(result));
  if (!row.next()) return std::nullopt;
  if (row.columns() == 1) return PostgresStepDone{step.before, row.integer(0), step.version};
  return PostgresStepDone{read_head(row), row.integer(kHeadColumns), row.integer(kHeadColumns + 1)};
}

void settle_step(const PostgresStep& step, const PostgresStepDone& came, Transition& done) {
  const auto settle = [&](TimeUs& at) {
    if (at >= kStepNow / 2) at = came.now + (at - kStepNow);
  };
  if (done.trial) {
    auto& trial = *done.trial;
    if (!step.trial) trial.number = came.head.next_trial - 1;
    if (trial.ended_sequence == step.before.sequence + 1) trial.ended_sequence = came.head.sequence;
    for (TimeUs* at : {&trial.created, &trial.started, &trial.ended_at}) settle(*at);
  }
  if (done.attempt) {
    auto& attempt = *done.attempt;
    if (done.trial) attempt.trial = done.trial->number;
    if (done.change.head && done.change.head->fence != step.before.fence &&
        attempt.fence == done.change.head->fence) {
      attempt.fence = came.head.fence;
    }
    for (TimeUs* at : {&attempt.lease_until, &attempt.started, &attempt.ended_at}) settle(*at);
  }
}

}  // namespace krigon::detail
