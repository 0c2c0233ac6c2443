#include "storage/postgres_schema.hpp"

#include <array>

#include <fmt/format.h>

namespace krigon::detail {
namespace {

/// What all Krigons lock while one of them changes the schema. Outside of the transaction that changes it:
/// within one, what others made meanwhile is not seen for certain.
constexpr const char* kLock = "SELECT pg_advisory_lock(6147420985471)";
constexpr const char* kUnlock = "SELECT pg_advisory_unlock(6147420985471)";

// As sqlite_schema.cpp, with these differences: texts that may be any bytes are BYTEA; order is by bytes, as
// everywhere in Krigon; rows do not refer to each other, since every check would be another lookup in each
// transition, which has just read what it refers to.
constexpr std::array<const char*, 3> kMigrations{R"sql(
CREATE SCHEMA krigon;
CREATE TABLE krigon.schema_version(version BIGINT NOT NULL);
INSERT INTO krigon.schema_version VALUES(0);

-- A study's row changes with every transition: room for its versions on one page.
CREATE TABLE krigon.study(
  id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY CHECK(id < 1 << 23),
  name TEXT COLLATE "C" NOT NULL UNIQUE,
  revision BIGINT NOT NULL,
  created BIGINT NOT NULL,
  next_trial BIGINT NOT NULL DEFAULT 0,
  sequence BIGINT NOT NULL DEFAULT 0,
  fence BIGINT NOT NULL DEFAULT 0,
  queued BIGINT NOT NULL DEFAULT 0 CHECK(queued >= 0),
  running BIGINT NOT NULL DEFAULT 0 CHECK(running >= 0),
  completed BIGINT NOT NULL DEFAULT 0,
  stopped BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  cancelled BIGINT NOT NULL DEFAULT 0,
  best_trial BIGINT NOT NULL DEFAULT -1,
  best_value DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK(abs(best_value) <= 1.7976931348623157e308),
  running_time BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE krigon.revision(
  study BIGINT NOT NULL,
  number BIGINT NOT NULL,
  spec TEXT NOT NULL,
  fingerprint TEXT,
  created BIGINT NOT NULL,
  PRIMARY KEY(study, number)
);

CREATE TABLE krigon.trial(
  id BIGINT PRIMARY KEY,  -- study << 40 | number
  study BIGINT NOT NULL CHECK(study = id >> 40),
  number BIGINT NOT NULL CHECK(number = id & 1099511627775),
  revision BIGINT NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('queued', 'running', 'completed', 'stopped', 'failed', 'cancelled')),
  front BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  ended_sequence BIGINT NOT NULL,
  created BIGINT NOT NULL,
  started BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  key TEXT,  -- the newest of its keys
  parameters TEXT NOT NULL,
  metrics TEXT,
  reason BYTEA NOT NULL,
  sampler TEXT NOT NULL,
  saw_sequence BIGINT NOT NULL,
  pending TEXT,
  model TEXT,
  note BYTEA NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX trial_open ON krigon.trial(study, state, front DESC, id) WHERE state = 'queued' OR state = 'running';

-- Every key that ever made or leased a trial: each goes on naming it.
CREATE TABLE krigon.trial_key(
  study BIGINT NOT NULL,
  key TEXT NOT NULL,
  number BIGINT NOT NULL,
  PRIMARY KEY(study, key)
);

CREATE TABLE krigon.attempt(
  trial BIGINT NOT NULL,
  number BIGINT NOT NULL,
  worker TEXT NOT NULL,
  fence BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  exit_code BIGINT,
  signal BIGINT,
  host TEXT NOT NULL,
  resources TEXT,
  stderr_tail BYTEA NOT NULL,
  started BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  PRIMARY KEY(trial, number)
) WITH (fillfactor = 70);

CREATE TABLE krigon.report(
  trial BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL CHECK(step >= 1),
  metric TEXT COLLATE "C" NOT NULL,
  value DOUBLE PRECISION NOT NULL CHECK(abs(value) <= 1.7976931348623157e308),
  sequence BIGINT NOT NULL,
  PRIMARY KEY(trial, attempt, step, metric)
);

CREATE TABLE krigon.decision(
  trial BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  verdict TEXT NOT NULL,
  basis TEXT,
  PRIMARY KEY(trial, sequence)
);

CREATE TABLE krigon.event(
  id BIGINT PRIMARY KEY,  -- study << 40 | sequence
  time BIGINT NOT NULL,
  kind TEXT NOT NULL,
  trial BIGINT,
  attempt BIGINT NOT NULL,
  step BIGINT,  -- of the reports or the decision that it added
  detail TEXT,
  token BIGINT NOT NULL  -- of the transaction that wrote it: by it one whose end no one saw finds itself
);
)sql",
                                                 // Pauses, clones, who proposes, who works.
                                                 R"sql(
ALTER TABLE krigon.study
  ADD COLUMN paused BIGINT NOT NULL DEFAULT 0 CHECK(paused >= 0),
  ADD COLUMN suggester TEXT NOT NULL DEFAULT '',
  ADD COLUMN suggester_fence BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN suggester_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE krigon.trial
  DROP CONSTRAINT trial_state_check,
  ADD CONSTRAINT trial_state_check
    CHECK(state IN ('queued', 'running', 'paused', 'completed', 'stopped', 'failed', 'cancelled')),
  ADD COLUMN parent BIGINT NOT NULL DEFAULT -1,
  ADD COLUMN replaces BIGINT NOT NULL DEFAULT -1,
  -- The objective of a completed trial, the smaller the better.
  ADD COLUMN loss DOUBLE PRECISION;
UPDATE krigon.trial SET loss =
  (metrics::json ->> (spec::json #>> '{objectives,0,metric}'))::float8 *
  CASE spec::json #>> '{objectives,0,direction}' WHEN 'minimize' THEN 1 ELSE -1 END
  FROM krigon.revision
  WHERE revision.study = trial.study AND revision.number = trial.revision AND trial.state = 'completed';
DROP INDEX krigon.trial_open;
CREATE INDEX trial_open ON krigon.trial(study, state, front DESC, id)
  WHERE state = 'queued' OR state = 'running' OR state = 'paused';
CREATE INDEX trial_best ON krigon.trial(study, loss, id) WHERE loss IS NOT NULL;
CREATE TABLE krigon.worker(
  study BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  host TEXT NOT NULL,
  slots BIGINT NOT NULL,
  running BIGINT NOT NULL,
  waiting BIGINT NOT NULL,
  started BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  PRIMARY KEY(study, name)
) WITH (fillfactor = 10);
)sql",
                                                 // Conditions on rows took a quarter of a transition: the
                                                 // server reads them anew for every statement. The state
                                                 // machine, which alone writes rows, holds what they said.
                                                 R"sql(
DO $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
      WHERE contype = 'c' AND connamespace = 'krigon'::regnamespace LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.place, found.conname);
  END LOOP;
END $$;
)sql"};

constexpr auto kNewest = static_cast<std::int64_t>(kMigrations.size());

}  // namespace

std::int64_t postgres_version(PostgresConnection& connection) {
  {
    PostgresQuery made(connection, "SELECT to_regclass('krigon.schema_version') IS NOT NULL");
    if (!made.next() || made.integer(0) == 0) return 0;
  }
  PostgresQuery query(connection, "SELECT max(version) FROM krigon.schema_version");
  const std::int64_t version = query.next() && !query.null(0) ? query.integer(0) : 0;
  if (version > kNewest) {
    throw StorageError(fmt::format(
        "the store {}: it was written by a newer Krigon (schema version {}, this one knows up to {}). "
        "Use that one, or name another database",
        connection.url(), version, kNewest));
  }
  return version;
}

void migrate_postgres(PostgresConnection& connection) {
  migrate_postgres(connection, kNewest);
}

void migrate_postgres(PostgresConnection& connection, std::int64_t most) {
  if (postgres_version(connection) >= most) return;
  connection.execute(kLock);
  // Another process may have been quicker.
  for (auto version = postgres_version(connection); version < most; version = postgres_version(connection)) {
    // One string is one transaction.
    connection.execute(fmt::format("{}; UPDATE krigon.schema_version SET version = {}",
                                   kMigrations[static_cast<std::size_t>(version)], version + 1));
  }
  connection.execute(kUnlock);
}

void check_postgres(PostgresConnection& connection) {
  const auto version = postgres_version(connection);
  if (version == kNewest) return;
  if (version == 0) {
    throw StorageError(fmt::format(
        "the store {}: the database holds no store. Check its name, or create a study there first",
        connection.url()));
  }
  throw StorageError(fmt::format(
      "the store {}: it was written by an older Krigon (schema version {}, now {}). Open it once for "
      "writing, which brings it up to date",
      connection.url(), version, kNewest));
}

}  // namespace krigon::detail
