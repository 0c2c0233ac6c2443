#include "fixture.hpp"

#include <cstdlib>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

namespace krigon::testing {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "krigon-storage-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

StudySpec small_spec(const std::string& name, Direction direction) {
  StudySpec spec;
  spec.name = name;
  spec.objectives = {{"loss", direction}};
  spec.space = Space({{"x", RealDomain{-1, 1, Scale::linear, {}}, {}},
                      {"n", IntegerDomain{1, 10, Scale::linear, 1}, {}},
                      {"kind", CategoricalDomain{{std::string("a"), std::string("b")}, false}, {}},
                      {"deep", CategoricalDomain{{true, false}, false}, {{"kind", {std::string("b")}}}}});
  spec.trial.command = {"train", "{x}"};
  spec.budget.trials = 10;
  spec.seed = 0xFFFFFFFFFFFFFFFFULL;
  return spec;
}

Parameters point(int i) {
  return {{"x", i / 1000.0 + 0.1 / 3}, {"n", std::int64_t{1 + i % 10}}, {"kind", std::string("a")}};
}

CreateTrial running_trial(int i) {
  CreateTrial create;
  create.parameters = point(i);
  create.worker = "client";
  create.proposal.sampler = "random";
  return create;
}

CreateTrial queued_trial(int i) {
  auto create = running_trial(i);
  create.worker.clear();
  return create;
}

namespace {

std::string text(const Metrics& metrics) {
  std::string result;
  for (const auto& [name, value] : metrics) result += fmt::format("{}={:a} ", name, value);
  return result;
}

std::string text(const Parameters& parameters) {
  std::string result;
  for (const auto& [name, value] : parameters) {
    const auto* real = std::get_if<double>(&value);
    result +=
        fmt::format("{}={}:{} ", name, value.index(), real ? fmt::format("{:a}", *real) : to_string(value));
  }
  return result;
}

std::string text(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "none";
}

}  // namespace

std::string describe(const StudyHead& h) {
  return fmt::format(
      "head next={} sequence={} fence={} {}/{}/{}/{}/{}/{}/{} best={}:{:a} time={} suggester={} {} {}",
      h.next_trial, h.sequence, h.fence, h.queued, h.running, h.paused, h.completed, h.stopped, h.failed,
      h.cancelled, h.best_trial, h.best_value, h.running_time, h.suggester, h.suggester_fence,
      h.suggester_until);
}

std::string describe(const TrialRecord& t) {
  return fmt::format(
      "trial {} revision={} {} [{}] sampler={} saw={} pending={} model={} note={} key={} attempts={} "
      "losses={} "
      "[{}] {} reason={} ended={} {}/{}/{} parent={} replaces={}",
      t.number, t.revision, to_string(t.state), text(t.parameters), t.proposal.sampler,
      t.proposal.saw_sequence, nlohmann::json(t.proposal.pending).dump(), t.proposal.model.dump(),
      t.proposal.note, t.key, t.attempts, t.losses, text(t.metrics), to_string(t.outcome), t.reason,
      t.ended_sequence, t.created, t.started, t.ended_at, t.proposal.parent, t.proposal.replaces);
}

std::string describe(const AttemptRecord& a) {
  return fmt::format(
      "attempt {}.{} worker={} fence={} until={} {} exit={} signal={} host={} {} stderr={} {}/{}", a.trial,
      a.number, a.worker, a.fence, a.lease_until, to_string(a.outcome), text(a.exit_code), text(a.signal),
      a.host, a.resources.dump(), a.stderr_tail, a.started, a.ended_at);
}

std::string describe(const ReportRecord& r) {
  return fmt::format("report {}.{} step={} {}={:a}", r.trial, r.attempt, r.step, r.metric, r.value);
}

std::string describe(const DecisionRecord& d) {
  return fmt::format("decision {}.{} step={} {} {}", d.trial, d.attempt, d.step, d.verdict, d.basis.dump());
}

std::string describe(const EventRecord& e) {
  return fmt::format("event {} {} {} {}.{} {}", e.sequence, e.time, e.kind, e.trial, e.attempt,
                     e.detail.dump());
}

std::string describe(const Delta& delta) {
  return fmt::format("{} {}\n{}{}{}", delta.sequence, describe(delta.head), describe(delta.trials),
                     describe(delta.reports), describe(delta.decisions));
}

std::string everything(Storage& storage, std::int64_t study) {
  std::string result = describe(storage.changes_since(study, 0));
  result += describe(storage.events(study, 0, INT64_MAX));
  for (const auto& trial : storage.trials(study, {})) {
    result += describe(storage.attempts(study, trial.number));
    result += describe(storage.reports(study, trial.number));
  }
  result += describe(storage.running_attempts(study));
  return result;
}

namespace {

/// The folder of the server that ctest starts: tests/support/postgres_server.
fs::path postgres_folder() {
  const char* folder = std::getenv("KRIGON_TEST_POSTGRES");
  return folder == nullptr ? "" : folder;
}

bool postgres_available() {
  return !postgres_folder().empty() && fs::exists(postgres_folder() / ".s.PGSQL.5432");
}

void postgres_execute(const std::string& sql) {
  PGconn* connection =
      PQconnectdb(fmt::format("host={} user=krigon dbname=postgres", postgres_folder().string()).c_str());
  PGresult* result = PQexec(connection, sql.c_str());
  const std::string message = PQerrorMessage(connection);
  const bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  PQfinish(connection);
  if (!fine) throw std::runtime_error(message);
}

std::set<std::string>& databases() {
  static std::set<std::string> made;
  return made;
}

/// A database of the folder's name.
std::string postgres_url(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (databases().insert(name).second) postgres_execute(fmt::format("CREATE DATABASE \"{}\"", name));
  return fmt::format("postgresql://krigon@/{}?host={}", name, postgres_folder().string());
}

}  // namespace

void drop_databases() {
  static const pid_t owner = getpid();
  if (getpid() != owner) return;
  for (const std::string& name : databases()) {
    try {
      postgres_execute(fmt::format("DROP DATABASE \"{}\" WITH (FORCE)", name));
    } catch (const std::exception&) {
      // The server goes with all it has.
    }
  }
  databases().clear();
}

StorageTest::StorageTest() {
  if (!GetParam().available()) return;
  storage = open_storage(GetParam().url(folder.path()), {.clock = &clock});
  study = make_study();
}

StorageTest::~StorageTest() {
  storage.reset();
  drop_databases();
}

void StorageTest::SetUp() {
  if (storage == nullptr) GTEST_SKIP() << "no PostgreSQL server is installed";
}

std::shared_ptr<Storage> StorageTest::open_again(bool read_only) {
  return open_storage(GetParam().url(folder.path()),
                      {.create = false, .read_only = read_only, .clock = &clock});
}

std::int64_t StorageTest::make_study(Direction direction) {
  static std::atomic<int> count{0};
  return storage->create_study(small_spec(fmt::format("study-{}", count++), direction), nullptr).id;
}

std::string implementation_name(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}

const std::vector<Implementation>& implementations() {
  const auto always = [] { return true; };
  static const std::vector<Implementation> all{
      {"memory", false, [](const fs::path&) { return std::string("memory:"); }, always},
      {"sqlite", true, [](const fs::path& folder) { return "sqlite://" + (folder / "store.db").string(); },
       always},
      {"postgresql", true, postgres_url, postgres_available}};
  return all;
}

}  // namespace krigon::testing
