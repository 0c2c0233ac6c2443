#include "storage/postgres_storage.hpp"

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

namespace krigon::detail {
namespace {

/// Trials that are remembered: more than one process runs at once.
constexpr std::size_t kMostSeen = 4096;

template <class... Ts>
bool is_any(const Command& command) {
  return (std::holds_alternative<Ts>(command) || ...);
}

/// Whether what comes of the command depends on nothing but its trial, and on the head in ways that a
/// PostgresStep can say.
bool suits(const Command& command) {
  if (is_any<TakeSuggester, AddRunningTime, ReviseProposal>(command)) return false;
  const auto* failed = std::get_if<FailAttempt>(&command);
  return failed == nullptr || !failed->if_expired;
}

bool has_key(const Command& command) {
  return std::visit(
      [](const auto& c) {
        if constexpr (requires { c.key; }) {
          return !c.key.empty();
        } else {
          return false;
        }
      },
      command);
}

}  // namespace

Applied PostgresStorage::apply(std::int64_t study, const Command& command) {
  if (!engine_.read_only() && suits(command)) {
    if (auto done = step(study, command)) return std::move(*done);
  }
  {
    const std::lock_guard lock(known_lock_);
    heads_.erase(study);
    seen_.erase(pack(study, trial_of(command)));
  }
  return SqlStorage::apply(study, command);
}

std::optional<Applied> PostgresStorage::step(std::int64_t study, const Command& command) {
  std::optional<Unanswered> unanswered;
  return engine_.patiently([&](PostgresEngine::Lent& connection) -> std::optional<Applied> {
    if (unanswered) {
      if (auto done = look_for(*connection, study, *unanswered)) return done;
      unanswered.reset();
    }
    try {
      return try_step(*connection, study, command, unanswered);
    } catch (const PostgresError& e) {
      // Another was quicker with the same key, or the same report.
      if (e.duplicate()) return std::nullopt;
      throw;
    }
  });
}

std::optional<Applied> PostgresStorage::try_step(Connection& connection, std::int64_t study,
                                                 const Command& command,
                                                 std::optional<Unanswered>& unanswered) {
  const std::int64_t number = trial_of(command);
  const bool creates = std::holds_alternative<CreateTrial>(command);
  const bool next = number == kNextInQueue;
  const auto backend = connection.backend();
  Head known = known_head(connection, study);
  // What was seen last need not be read again, but where rows are looked up that have no version.
  std::optional<Seen> was;
  const bool looks_up = next || has_key(command) || std::holds_alternative<ReportStep>(command);
  if (!creates && !looks_up) was = take_seen(study, number);
  const bool opened = looks_up || (!creates && !was);
  if (opened) {
    connection.begin_writing();
    if (!creates) was = lock_trial(connection, study, number, known);
  }
  WritableHead head{known.head, known.revision, kStepNow, {}, {}, next};
  if (was) {
    head.trial = was->trial;
    head.attempt = was->attempt;
  }
  const auto spec = spec_of(connection, study, known.revision);
  const SqlRows<PostgresEngine> rows(connection, study, spec, std::move(head));
  auto result = transition(rows, command, kStepNow);
  auto* done = std::get_if<Transition>(&result);
  // Why it is refused, and what stands already, is to be said of what is, not of what was.
  if (done == nullptr) return std::nullopt;
  if (done->change.empty()) {
    if (!next || done->trial) return std::nullopt;
    return Applied{false, known.head.sequence, known.head, std::nullopt, std::nullopt};
  }

  PostgresStep step;
  step.study = study;
  step.revision = known.revision;
  step.before = known.head;
  if (was) {
    step.trial = std::move(was->trial);
    step.attempt = std::move(was->attempt);
    step.version = was->version;
  }
  if (const auto* create = std::get_if<CreateTrial>(&command)) {
    step.expect_number = create->expect_number;
    step.suggester = create->suggester;
  }
  if (const auto* lease = std::get_if<LeaseNext>(&command); lease != nullptr && lease->within_budget) {
    step.budget = spec->budget.trials;
  }
  step.token = PostgresEngine::fresh_token();
  step.clock = engine_.clock();
  const auto statement = step_statement(step, *done, *spec);
  std::optional<PostgresStepDone> came;
  try {
    came = read_step(
        step, opened ? connection.commit_after(statement) : connection.ask(statement.sql, statement.values));
  } catch (const PostgresLost&) {
    unanswered = Unanswered{backend, step.token, step.before.sequence};
    throw;
  }
  if (!came) return std::nullopt;
  settle_step(step, *came, *done);
  const bool wrote_trial = !step.trial || !same_row(*step.trial, *done->trial) || done->change.front;
  remember(study, {*done->trial, done->attempt, wrote_trial ? came->version : step.version});
  {
    const std::lock_guard lock(known_lock_);
    heads_[study] = {known.revision, came->head};
  }
  return Applied{true, came->head.sequence, came->head, std::move(done->trial), std::move(done->attempt)};
}

std::optional<Applied> PostgresStorage::look_for(Connection& connection, std::int64_t study,
                                                 const Unanswered& lost) {
  // It may still be on its way, or wait for a lock: what it did is for certain once its process is gone.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    Query there(connection,
                "SELECT pg_terminate_backend(process.pid::int) FROM (" KRIGON_POSTGRES_BACKEND
                ") AS process(pid, began) WHERE pid = ? AND began = ?",
                lost.backend.process, lost.backend.began);
    if (!there.next()) break;
    if (std::chrono::steady_clock::now() >= deadline) {
      throw StorageError(fmt::format(
          "the store {}: the connection broke in the middle of a change, and the server's process {} that "
          "makes it does not end. Look there whether it was made",
          url(), lost.backend.process));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::int64_t sequence = 0, trial = -1, number = 0;
  {
    Query event(connection, "SELECT id, trial, attempt FROM event WHERE id > ? AND id <= ? AND token = ?",
                pack(study, lost.after), pack(study, kMaxNumber), lost.token);
    if (!event.next()) return std::nullopt;
    sequence = number_of(event.integer(0));
    trial = number_of(event.integer(1));
    number = event.integer(2);
  }
  Head known;
  auto is = lock_trial(connection, study, trial, known);
  if (!is) return std::nullopt;
  if (number > 0 && is->attempt && is->attempt->number != number) {
    // The trial is another's by now, whose token is not for this one to have.
    Query own(connection, "SELECT " KRIGON_ATTEMPT_COLUMNS " FROM attempt WHERE trial = ? AND number = ?",
              pack(study, trial), number);
    if (own.next()) is->attempt = read_attempt(own);
  }
  return Applied{true, sequence, known.head, std::move(is->trial), std::move(is->attempt)};
}

PostgresStorage::Head PostgresStorage::known_head(Connection& connection, std::int64_t study) {
  {
    const std::lock_guard lock(known_lock_);
    if (const auto found = heads_.find(study); found != heads_.end()) return found->second;
  }
  auto [head, revision] = head_of(connection, study);
  return {revision, std::move(head)};
}

std::optional<PostgresStorage::Seen> PostgresStorage::lock_trial(Connection& connection, std::int64_t study,
                                                                 std::int64_t trial, Head& head) {
  const bool next = trial == kNextInQueue;
  if (!next && (trial < 0 || trial > kMaxNumber)) return std::nullopt;
  std::vector<Connection::Statement> statements;
  statements.push_back(PostgresEngine::trial_locked(connection, study, trial));
  if (!next) statements.push_back(PostgresEngine::newest_attempt(connection, study, trial));
  statements.push_back(Query(connection, PostgresEngine::kHead, study).statement());
  auto results = connection.ask_all(statements);
  Query study_row(std::move(results.back()));
  if (!study_row.next()) throw_missing(study);
  head = {study_row.integer(0), read_head(study_row, 1)};
  Query trial_row(std::move(results[0]));
  if (!trial_row.next()) return std::nullopt;
  Seen found{read_trial(trial_row), std::nullopt, trial_row.integer(kTrialColumns)};
  PostgresResult newest;
  if (!next) {
    newest = std::move(results[1]);
  } else if (found.trial.attempts > 0) {
    // Which trial is next, and that it was requeued, is known only now.
    auto more = connection.ask_all({PostgresEngine::newest_attempt(connection, study, found.trial.number)});
    newest = std::move(more.front());
  }
  if (newest) {
    Query attempt(std::move(newest));
    if (attempt.next()) found.attempt = read_attempt(attempt);
  }
  return found;
}

std::optional<PostgresStorage::Seen> PostgresStorage::take_seen(std::int64_t study, std::int64_t trial) {
  const std::lock_guard lock(known_lock_);
  auto found = seen_.extract(pack(study, trial));
  return found.empty() ? std::nullopt : std::optional(std::move(found.mapped()));
}

void PostgresStorage::remember(std::int64_t study, Seen seen) {
  const std::lock_guard lock(known_lock_);
  if (ended(seen.trial.state)) {
    seen_.erase(pack(study, seen.trial.number));
    return;
  }
  if (seen_.size() >= kMostSeen) seen_.clear();
  const auto id = pack(study, seen.trial.number);
  seen_[id] = std::move(seen);
}

}  // namespace krigon::detail
