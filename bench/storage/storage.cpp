// What durable storage costs: an ask and a tell against two bare SQLite transactions of the same
// durability, many processes on one file, a study that grows to a million trials, and 64 connections to
// PostgreSQL.
//
//   krigon-bench-storage [--quick] [--folder DIR] [--part cycle|processes|growth|postgresql]
//
// Numerator and denominator of a ratio are measured in turns, so that a machine that slows down does
// so for both. DIR (a temporary folder by default) must lie on the disk that is meant.
#include "storage/storage.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "crowd.hpp"
#include "manager/manager.hpp"
#include "propose/samplers.hpp"
#include "scheduler/schedulers.hpp"

namespace {

namespace fs = std::filesystem;
using namespace krigon;
using namespace krigon::bench;

/// The least that a durable change in SQLite can be: one row of one table.
class Bare {
 public:
  explicit Bare(const fs::path& path) {
    check(sqlite3_open(path.c_str(), &db_));
    sqlite3_busy_timeout(db_, 60'000);
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    run("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, value REAL)");
    begin_ = prepare("BEGIN IMMEDIATE");
    insert_ = prepare("INSERT INTO t(value) VALUES(?)");
    commit_ = prepare("COMMIT");
  }
  ~Bare() {
    for (auto* s : {begin_, insert_, commit_}) sqlite3_finalize(s);
    sqlite3_close(db_);
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  /// Lets the log grow to the size that it keeps: while a file grows its fsync costs more.
  void grow_log() {
    run("BEGIN; CREATE TABLE big(x); "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) "
        "INSERT INTO big SELECT zeroblob(4000) FROM n; COMMIT; DROP TABLE big");
  }

  void transaction(double value) {
    step(begin_);
    sqlite3_bind_double(insert_, 1, value);
    step(insert_);
    step(commit_);
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(db_));
  }
  void run(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr));
    return statement;
  }
  void step(sqlite3_stmt* statement) {
    check(sqlite3_step(statement));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt *begin_ = nullptr, *insert_ = nullptr, *commit_ = nullptr;
};

/// Asks and tells of a whole manager with the random sampler, and pairs of bare transactions, in turns.
void one_process(const fs::path& folder, int rounds) {
  const std::shared_ptr<Storage> store = open_storage((folder / "one.db").string());
  auto random = spec();
  random.sampler.type = "random";
  const auto record = store->create_study(random, nullptr);
  StudyManager manager(store, record, make_sampler(record.spec.sampler, record.spec.space, 0, nullptr),
                       make_study_scheduler(record.spec.early_stopping, {}));
  const auto ask_and_tell = [&](int i) {
    const auto asked = manager.ask({}).value();
    manager.apply(CompleteTrial{asked.trial.number, asked.attempt.fence, {{"loss", 1.0 / (i + 1)}}, 0});
  };
  Bare bare(folder / "bare.db");
  // Both logs at the size that they keep.
  bare.grow_log();
  int i = 0;
  for (; i < 200; ++i) ask_and_tell(i);
  std::vector<double> ours, theirs, ratios;
  for (int round = -2; round < rounds; ++round) {
    constexpr int kEach = 50;
    std::vector<double> a, b;
    for (int k = 0; k < kEach; ++k, ++i) {
      a.push_back(microseconds([&] { ask_and_tell(i); }));
      b.push_back(microseconds([&] {
        bare.transaction(i);
        bare.transaction(i);
      }));
    }
    if (round < 0) continue;  // warming up
    ours.push_back(quantile(a, 0.5));
    theirs.push_back(quantile(b, 0.5));
    ratios.push_back(std::accumulate(a.begin(), a.end(), 0.0) / std::accumulate(b.begin(), b.end(), 0.0));
  }
  const double ratio = quantile(ours, 0.5) / quantile(theirs, 0.5);
  fmt::print("ask + tell, random sampler          {:8.0f} us   (median), {:.0f} a second\n",
             quantile(ours, 0.5), 1e6 / quantile(ours, 0.5));
  fmt::print("two bare durable transactions       {:8.0f} us\n", quantile(theirs, 0.5));
  fmt::print("ratio of medians                    {:8.2f}      (bar: 1.5)  {}\n", ratio,
             ratio <= 1.5 ? "reached" : "NOT REACHED");
  fmt::print("ratio of total times, median round  {:8.2f}\n\n", quantile(ratios, 0.5));
}

void many_processes(const fs::path& folder, double seconds) {
  fmt::print("processes   ask+tell/s  99% ms  worst ms  failed   bare pairs/s  99% ms  worst ms\n");
  for (const int processes : {1, 8, 32}) {
    const auto path = (folder / fmt::format("many-{}.db", processes)).string();
    const auto study = open_storage(path)->create_study(spec(), nullptr).id;
    const auto bare_path = folder / fmt::format("many-bare-{}.db", processes);
    Bare(bare_path).grow_log();
    const auto ours = crowd(processes, seconds, [&](int) {
      return [store = open_storage(path), study](int i) { cycle(*store, study, i); };
    });
    const auto bare = crowd(processes, seconds, [&](int) {
      return [own = std::make_shared<Bare>(bare_path)](int i) {
        own->transaction(i);
        own->transaction(i);
      };
    });
    fmt::print("{:9}   {:10.0f}  {:6.1f}  {:8.1f}  {:6}   {:12.0f}  {:6.1f}  {:8.1f}\n", processes,
               ours.rate(), ours.p99_ms, ours.worst_ms, ours.failed, bare.rate(), bare.p99_ms, bare.worst_ms);
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  fs::path parent = fs::temp_directory_path();
  std::string part;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--folder" && i + 1 < argc) {
      parent = argv[++i];
    } else if (argument == "--part" && i + 1 < argc) {
      part = argv[++i];
    } else {
      fmt::print(stderr, "found \"{}\", allowed are --quick, --folder DIR and --part PART\n", argument);
      return 2;
    }
  }
  std::string name = (parent / "krigon-bench-XXXXXX").string();
  if (!mkdtemp(name.data())) {
    fmt::print(stderr, "cannot make a folder in {}: {}\n", parent.string(), std::strerror(errno));
    return 1;
  }
  int status = 0;
  try {
    const std::pair<const char*, std::function<void()>> parts[] = {
        {"cycle", [&] { one_process(name, quick ? 3 : 20); }},
        {"processes", [&] { many_processes(name, quick ? 0.5 : 5); }},
        {"growth",
         [&] {
           growth(name, quick ? std::vector{1000, 2000} : std::vector{1000, 10'000, 100'000, 1'000'000});
         }},
        {"postgresql", [&] { postgres_transitions(name, quick ? 0.5 : 5); }},
    };
    for (const auto& [label, run] : parts) {
      if (part.empty() || part == label) run();
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    status = 1;
  }
  std::error_code ignored;
  fs::remove_all(name, ignored);
  return status;
}
