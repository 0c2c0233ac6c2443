#include "storage/sqlite_schema.hpp"

#include <array>

#include <fmt/format.h>

namespace krigon::detail {
namespace {

// Metric values stand in columns without a type: in a REAL column SQLite keeps whole numbers as
// integers and so loses the sign of -0. NaN becomes NULL when bound, hence typeof() refuses it.
constexpr std::array<Migration, 3> kMigrations{{{R"sql(
CREATE TABLE study(
  id INTEGER PRIMARY KEY AUTOINCREMENT CHECK(id < 1 << 23),
  name TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  created INTEGER NOT NULL,
  -- the head
  next_trial INTEGER NOT NULL DEFAULT 0,
  sequence INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0 CHECK(queued >= 0),
  running INTEGER NOT NULL DEFAULT 0 CHECK(running >= 0),
  completed INTEGER NOT NULL DEFAULT 0,
  stopped INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  best_trial INTEGER NOT NULL DEFAULT -1,
  best_value NOT NULL DEFAULT 0.0
    CHECK(typeof(best_value) = 'real' AND abs(best_value) <= 1.7976931348623157e308),
  running_time INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE revision(
  study INTEGER NOT NULL REFERENCES study(id),
  number INTEGER NOT NULL,
  spec TEXT NOT NULL,
  fingerprint TEXT,
  created INTEGER NOT NULL,
  PRIMARY KEY(study, number)
) WITHOUT ROWID;

CREATE TABLE trial(
  id INTEGER PRIMARY KEY,  -- study << 40 | number
  study INTEGER NOT NULL REFERENCES study(id) CHECK(study = id >> 40),
  number INTEGER NOT NULL CHECK(number = id & 0xffffffffff),
  revision INTEGER NOT NULL,
  state TEXT NOT NULL
    CHECK(state IN ('queued', 'running', 'completed', 'stopped', 'failed', 'cancelled')),
  front INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  losses INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  ended_sequence INTEGER NOT NULL,
  created INTEGER NOT NULL,
  started INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  key TEXT,  -- the newest of its keys
  parameters TEXT NOT NULL,
  metrics TEXT,
  reason TEXT NOT NULL,
  sampler TEXT NOT NULL,
  saw_sequence INTEGER NOT NULL,
  pending TEXT,
  model TEXT,
  note TEXT NOT NULL
);
CREATE INDEX trial_open ON trial(study, state, front DESC, id) WHERE state = 'queued' OR state = 'running';

-- Every key that ever made or leased a trial: each goes on naming it.
CREATE TABLE trial_key(
  study INTEGER NOT NULL REFERENCES study(id),
  key TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY(study, key)
) WITHOUT ROWID;

CREATE TABLE attempt(
  trial INTEGER NOT NULL REFERENCES trial(id),
  number INTEGER NOT NULL,
  worker TEXT NOT NULL,
  fence INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  exit_code INTEGER,
  signal INTEGER,
  host TEXT NOT NULL,
  resources TEXT,
  stderr_tail TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  PRIMARY KEY(trial, number)
) WITHOUT ROWID;

CREATE TABLE report(
  trial INTEGER NOT NULL REFERENCES trial(id),
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL CHECK(step >= 1),
  metric TEXT NOT NULL,
  value NOT NULL CHECK(typeof(value) = 'real' AND abs(value) <= 1.7976931348623157e308),
  sequence INTEGER NOT NULL,
  PRIMARY KEY(trial, attempt, step, metric)
) WITHOUT ROWID;

CREATE TABLE decision(
  trial INTEGER NOT NULL REFERENCES trial(id),
  sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  basis TEXT,
  PRIMARY KEY(trial, sequence)
) WITHOUT ROWID;

CREATE TABLE event(
  id INTEGER PRIMARY KEY,  -- study << 40 | sequence
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- No REFERENCES: deleting a study would search all events once for each of its trials.
  trial INTEGER,
  attempt INTEGER NOT NULL,
  step INTEGER,  -- of the reports or the decision that it added
  detail TEXT,
  study INTEGER GENERATED ALWAYS AS (id >> 40) VIRTUAL,
  sequence INTEGER GENERATED ALWAYS AS (id & 0xffffffffff) VIRTUAL
);
)sql"},
                                                // Pauses, clones, who proposes, who works. SQLite changes no
                                                // CHECK: a column with the new one takes the old one's place.
                                                {R"sql(
ALTER TABLE study ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK(paused >= 0);
ALTER TABLE study ADD COLUMN suggester TEXT NOT NULL DEFAULT '';
ALTER TABLE study ADD COLUMN suggester_fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE study ADD COLUMN suggester_until INTEGER NOT NULL DEFAULT 0;

DROP INDEX trial_open;
ALTER TABLE trial RENAME COLUMN state TO old_state;
ALTER TABLE trial ADD COLUMN state TEXT NOT NULL DEFAULT 'queued'
  CHECK(state IN ('queued', 'running', 'paused', 'completed', 'stopped', 'failed', 'cancelled'));
UPDATE trial SET state = old_state;
ALTER TABLE trial DROP COLUMN old_state;
ALTER TABLE trial ADD COLUMN parent INTEGER NOT NULL DEFAULT -1;
ALTER TABLE trial ADD COLUMN replaces INTEGER NOT NULL DEFAULT -1;
-- The objective of a completed trial, the smaller the better.
ALTER TABLE trial ADD COLUMN loss REAL;
UPDATE trial SET loss = (
  SELECT json_extract(trial.metrics, '$."' || json_extract(spec, '$.objectives[0].metric') || '"') *
    iif(json_extract(spec, '$.objectives[0].direction') = 'minimize', 1, -1)
  FROM revision WHERE revision.study = trial.study AND revision.number = trial.revision)
WHERE state = 'completed';
CREATE INDEX trial_open ON trial(study, state, front DESC, id)
  WHERE state = 'queued' OR state = 'running' OR state = 'paused';
CREATE INDEX trial_best ON trial(study, loss, id) WHERE loss IS NOT NULL;

CREATE TABLE worker(
  study INTEGER NOT NULL REFERENCES study(id),
  name TEXT NOT NULL,
  host TEXT NOT NULL,
  slots INTEGER NOT NULL,
  running INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  started INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  PRIMARY KEY(study, name)
) WITHOUT ROWID;
)sql"},
                                                // Fewer pages for a transition to write: the head that an
                                                // event leaves stands in the event's row, the newest attempt
                                                // in its trial's.
                                                {R"sql(
ALTER TABLE event ADD COLUMN next_trial INTEGER;
ALTER TABLE event ADD COLUMN fence INTEGER;
ALTER TABLE event ADD COLUMN queued INTEGER CHECK(queued >= 0);
ALTER TABLE event ADD COLUMN running INTEGER CHECK(running >= 0);
ALTER TABLE event ADD COLUMN completed INTEGER;
ALTER TABLE event ADD COLUMN stopped INTEGER;
ALTER TABLE event ADD COLUMN failed INTEGER;
ALTER TABLE event ADD COLUMN cancelled INTEGER;
ALTER TABLE event ADD COLUMN paused INTEGER CHECK(paused >= 0);
ALTER TABLE event ADD COLUMN best_trial INTEGER;
ALTER TABLE event ADD COLUMN best_value
  CHECK(next_trial IS NULL OR typeof(best_value) = 'real' AND abs(best_value) <= 1.7976931348623157e308);
UPDATE event SET
  (next_trial, fence, queued, running, completed, stopped, failed, cancelled, paused, best_trial, best_value) =
  (SELECT next_trial, fence, queued, running, completed, stopped, failed, cancelled, paused, best_trial,
     best_value FROM study WHERE study.id = event.id >> 40)
WHERE id IN (SELECT id << 40 | sequence FROM study);
ALTER TABLE study DROP COLUMN next_trial;
ALTER TABLE study DROP COLUMN sequence;
ALTER TABLE study DROP COLUMN fence;
ALTER TABLE study DROP COLUMN queued;
ALTER TABLE study DROP COLUMN running;
ALTER TABLE study DROP COLUMN completed;
ALTER TABLE study DROP COLUMN stopped;
ALTER TABLE study DROP COLUMN failed;
ALTER TABLE study DROP COLUMN cancelled;
ALTER TABLE study DROP COLUMN paused;
ALTER TABLE study DROP COLUMN best_trial;
ALTER TABLE study DROP COLUMN best_value;

ALTER TABLE trial ADD COLUMN worker TEXT;
ALTER TABLE trial ADD COLUMN fence INTEGER;
ALTER TABLE trial ADD COLUMN lease_until INTEGER;
ALTER TABLE trial ADD COLUMN attempt_outcome TEXT;
ALTER TABLE trial ADD COLUMN exit_code INTEGER;
ALTER TABLE trial ADD COLUMN signal INTEGER;
ALTER TABLE trial ADD COLUMN host TEXT;
ALTER TABLE trial ADD COLUMN resources TEXT;
ALTER TABLE trial ADD COLUMN stderr_tail TEXT;
ALTER TABLE trial ADD COLUMN attempt_started INTEGER;
ALTER TABLE trial ADD COLUMN attempt_ended INTEGER;
UPDATE trial SET (worker, fence, lease_until, attempt_outcome, exit_code, signal, host, resources, stderr_tail,
    attempt_started, attempt_ended) =
  (SELECT worker, fence, lease_until, outcome, exit_code, signal, host, resources, stderr_tail, started, ended_at
   FROM attempt WHERE attempt.trial = trial.id AND attempt.number = trial.attempts)
WHERE attempts > 0;
DELETE FROM attempt WHERE number = (SELECT attempts FROM trial WHERE trial.id = attempt.trial);

DROP INDEX trial_open;
ALTER TABLE trial RENAME COLUMN state TO old_state;
ALTER TABLE trial ADD COLUMN state TEXT NOT NULL DEFAULT 'queued';
UPDATE trial SET state = old_state;
ALTER TABLE trial DROP COLUMN old_state;
CREATE INDEX trial_open ON trial(study, state, front DESC, id)
  WHERE state = 'queued' OR state = 'running' OR state = 'paused';

CREATE VIEW study_head AS
SELECT study.id AS id, name, revision, created, running_time, suggester, suggester_fence, suggester_until,
  coalesce(event.id & 0xffffffffff, 0) AS sequence, coalesce(next_trial, 0) AS next_trial,
  coalesce(event.fence, 0) AS fence, coalesce(queued, 0) AS queued, coalesce(running, 0) AS running,
  coalesce(completed, 0) AS completed, coalesce(stopped, 0) AS stopped, coalesce(failed, 0) AS failed,
  coalesce(cancelled, 0) AS cancelled, coalesce(paused, 0) AS paused, coalesce(best_trial, -1) AS best_trial,
  coalesce(best_value, 0.0) AS best_value
FROM study LEFT JOIN event ON event.id = (
  SELECT newest.id FROM event AS newest WHERE newest.id BETWEEN study.id << 40 AND study.id << 40 | 0xffffffffff
  ORDER BY newest.id DESC LIMIT 1);
)sql"}}};

std::int64_t pragma(Connection& connection, const char* sql) {
  Query query(connection, sql);
  return query.next() ? query.integer(0) : 0;
}

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

std::int64_t schema_version(Connection& connection, std::size_t newest) {
  const auto application = pragma(connection, "PRAGMA application_id");
  const auto version = pragma(connection, "PRAGMA user_version");
  const auto objects = pragma(connection, "SELECT count(*) FROM sqlite_schema");
  if (application != kApplicationId && (application != 0 || objects != 0)) {
    throw StorageError(fmt::format("the store {}: it is another program's SQLite database. Name another file",
                                   connection.path()));
  }
  if (version > static_cast<std::int64_t>(newest)) {
    throw StorageError(
        fmt::format("the store {}: it was written by a newer Krigon (schema version {}, this one knows up to "
                    "{}). Use that one, or name another file",
                    connection.path(), version, newest));
  }
  return version;
}

void migrate(Connection& connection, std::span<const Migration> steps) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (schema_version(connection, steps.size()) == newest) return;
  for (;;) {
    Transaction transaction(connection, Transaction::Kind::write);
    // Another process may have been quicker.
    const auto version = schema_version(connection, steps.size());
    if (version == newest) return;
    connection.execute(steps[static_cast<std::size_t>(version)].sql);
    connection.execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, version + 1)
            .c_str());
    transaction.commit();
  }
}

void check_version(Connection& connection, std::span<const Migration> steps) {
  Transaction transaction(connection, Transaction::Kind::read);
  const auto version = schema_version(connection, steps.size());
  if (version == 0) {
    throw StorageError(
        fmt::format("the store {}: it is empty. Name a store that holds a study", connection.path()));
  }
  if (version < static_cast<std::int64_t>(steps.size())) {
    throw StorageError(
        fmt::format("the store {}: it was written by an older Krigon (schema version {}, now {}). Open it "
                    "once for writing, which brings it up to date",
                    connection.path(), version, steps.size()));
  }
}

}  // namespace krigon::detail
