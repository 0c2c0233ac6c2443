// Transitions of trials in PostgreSQL from 64 connections, each in a process of its own, with fsync and
// synchronous_commit on; beside them what the server does of the least that a durable change can be.

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "crowd.hpp"

namespace krigon::bench {

namespace {

constexpr int kConnections = 64;
constexpr double kBar = 5000;

/// Durable changes of one row each.
class BareRow {
 public:
  BareRow(const std::string& url, int row)
      : connection_(PQconnectdb(url.c_str()), PQfinish), id_(std::to_string(row)) {
    PQclear(PQprepare(connection_.get(), "u", "UPDATE bare SET value = value + 1 WHERE id = $1", 1, nullptr));
  }
  void change() {
    const char* values[] = {id_.c_str()};
    PGresult* result = PQexecPrepared(connection_.get(), "u", 1, values, nullptr, nullptr, 0);
    const bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!fine) throw std::runtime_error(PQerrorMessage(connection_.get()));
  }

 private:
  std::shared_ptr<PGconn> connection_;
  std::string id_;
};

void row(const char* what, const Crowd& found, double changes, bool judged) {
  const double rate = changes * found.rate();
  fmt::print("  {:44}  {:8.0f}  {:7.1f}  {:8.1f}  {:6}   {}\n", what, rate, found.p99_ms, found.worst_ms,
             found.failed, judged ? (rate >= kBar ? "reached" : "NOT REACHED") : "");
}

}  // namespace

void postgres_transitions(const std::filesystem::path& parent, double seconds) {
  const std::filesystem::path folder = parent / "postgres";
  const auto server = [&](const char* action) {
    return std::system(fmt::format("'{}/tests/support/postgres_server' {} {} fsync=on synchronous_commit=on "
                                   "max_connections=300 >/dev/null",
                                   KRIGON_SOURCE_DIR, action, folder.string())
                           .c_str());
  };
  // Its owner must be able to get there.
  std::filesystem::permissions(parent, std::filesystem::perms::others_exec,
                               std::filesystem::perm_options::add);
  if (server("start") != 0 || !std::filesystem::exists(folder / "data")) {
    fmt::print("\nPostgreSQL: no server is installed\n");
    return;
  }
  const std::string url = fmt::format("postgresql://krigon@/postgres?host={}", folder.string());
  fmt::print("\nPostgreSQL, {} connections, each transition durable; bar: {:.0f} a second\n", kConnections,
             kBar);
  fmt::print("  {:44}  {:>8}  {:>7}  {:>8}  {:>6}\n", "", "a second", "99% ms", "worst ms", "failed");
  try {
    {
      const std::shared_ptr<PGconn> connection(PQconnectdb(url.c_str()), PQfinish);
      PQclear(PQexec(connection.get(),
                     "CREATE TABLE bare(id INT PRIMARY KEY, value INT) WITH (fillfactor = 10)"));
      PQclear(PQexec(connection.get(), "INSERT INTO bare SELECT i, 0 FROM generate_series(0, 63) i"));
    }
    row("least changes, a row for each connection",
        crowd(kConnections, seconds,
              [&](int p) { return [own = std::make_shared<BareRow>(url, p)](int) { own->change(); }; }),
        1, false);
    row("least changes, one row for all",
        crowd(kConnections, seconds,
              [&](int) { return [own = std::make_shared<BareRow>(url, 0)](int) { own->change(); }; }),
        1, false);
    for (const int studies : {kConnections, 8, 1}) {
      for (int s = 0; s < studies; ++s)
        open_storage(url)->create_study(spec(fmt::format("{}-{}", studies, s)), nullptr);
      const auto found = crowd(kConnections, seconds, [&](int p) {
        const auto store = open_storage(url);
        const auto study = store->find_study(fmt::format("{}-{}", studies, p % studies)).value().id;
        return [store, study](int i) { cycle(*store, study, i); };
      });
      row(fmt::format("transitions of trials, {} {}", studies, studies == 1 ? "study" : "studies").c_str(),
          found, 2, studies == kConnections);
    }
  } catch (...) {
    server("stop");
    throw;
  }
  server("stop");
}

}  // namespace krigon::bench
