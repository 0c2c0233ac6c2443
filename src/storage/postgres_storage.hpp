#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "storage/postgres_engine.hpp"
#include "storage/sql_storage.hpp"

namespace krigon::detail {

/// A store in PostgreSQL. Most transitions are one statement: computed on what this process saw last of the
/// study and the trial, and without effect where that is outdated (see PostgresStep). Those, and the few that
/// rest on the whole head, or on the clock, are made under the study's lock, which everybody else then waits
/// for.
class PostgresStorage final : public SqlStorage<PostgresEngine> {
 public:
  using SqlStorage::SqlStorage;

  Applied apply(std::int64_t study, const Command& command) override;

 private:
  struct Head {
    std::int64_t revision = 0;
    StudyHead head;
  };
  /// A trial, its newest attempt, and the version of its row.
  struct Seen {
    TrialRecord trial;
    std::optional<AttemptRecord> attempt;
    std::int64_t version = 0;
  };
  /// A statement whose answer never came.
  struct Unanswered {
    Connection::Backend backend;
    std::int64_t token = 0;
    std::int64_t after = 0;  ///< its event's number is higher
  };

  /// nullopt: it has to be made under the lock.
  std::optional<Applied> step(std::int64_t study, const Command& command);
  std::optional<Applied> try_step(Connection& connection, std::int64_t study, const Command& command,
                                  std::optional<Unanswered>& unanswered);
  /// What an unanswered statement did, if it did anything; it will not do it any more then.
  std::optional<Applied> look_for(Connection& connection, std::int64_t study, const Unanswered& lost);

  Head known_head(Connection& connection, std::int64_t study);
  /// Locks the trial that the command speaks of, in a transaction that it opens, and reads what it needs.
  std::optional<Seen> lock_trial(Connection& connection, std::int64_t study, std::int64_t trial, Head& head);
  /// Taken out: whoever speaks of the trial remembers it anew.
  std::optional<Seen> take_seen(std::int64_t study, std::int64_t trial);
  void remember(std::int64_t study, Seen seen);

  std::mutex known_lock_;
  std::unordered_map<std::int64_t, Head> heads_;
  std::unordered_map<std::int64_t, Seen> seen_;  ///< by pack(study, number)
};

}  // namespace krigon::detail
