#include "storage/postgres_connection.hpp"

#include <array>
#include <bit>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "core/url.hpp"

namespace krigon::detail {
namespace {

/// Big-endian, as numbers travel.
std::string network_bytes(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8U)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(value & 0xffU);
  return bytes;
}

std::uint64_t from_network(const char* bytes, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// ? becomes $1, $2, ...; quoted text stays as it is.
std::string numbered(std::string_view sql) {
  std::string out;
  int count = 0;
  bool quoted = false;
  for (const char c : sql) {
    if (c == '\'') quoted = !quoted;
    if (c == '?' && !quoted) {
      out += fmt::format("${}", ++count);
    } else {
      out += c;
    }
  }
  return out;
}

std::string in_one_line(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

/// What to do about it, in words.
std::string advice(std::string_view state) {
  if (state == "53100")
    return "there is no room left on the server's disk. Free some and go on: what was recorded before stands";
  if (state == "53300") return "the server has no connection left: see its max_connections";
  if (state == "42501") return "the user may not do that: see GRANT";
  if (state == "25006") return "it can only be read: a standby, or opened read-only";
  if (state.starts_with("22"))
    return "a text holds what the database's encoding does not: it takes UTF-8 without zero bytes";
  return "what was recorded before stands";
}

}  // namespace

void PostgresFree::operator()(pg_conn* connection) const noexcept {
  PQfinish(connection);
}
void PostgresFree::operator()(pg_result* result) const noexcept {
  PQclear(result);
}

PostgresConnection::PostgresConnection(const std::string& url, bool read_only)
    : shown_(without_password(url)), owner_(getpid()) {
  // Statements are few and always the same: planned once, and never worth compiling.
  const std::string options =
      fmt::format("-c search_path=krigon -c plan_cache_mode=force_generic_plan -c jit=off{}",
                  read_only ? " -c default_transaction_read_only=on" : "");
  // Of what stands before dbname the URL may say otherwise. A host that vanished is noticed while it owes an
  // answer (keepalives), or is to be told something (tcp_user_timeout).
  const std::array<std::pair<const char*, const char*>, 9> settings = {{{"connect_timeout", "10"},
                                                                        {"application_name", "krigon"},
                                                                        {"client_encoding", "UTF8"},
                                                                        {"tcp_user_timeout", "30000"},
                                                                        {"keepalives_idle", "10"},
                                                                        {"keepalives_interval", "5"},
                                                                        {"keepalives_count", "4"},
                                                                        {"dbname", url.c_str()},
                                                                        {"options", options.c_str()}}};
  std::array<const char*, settings.size() + 1> keywords{}, values{};
  for (std::size_t i = 0; i < settings.size(); ++i) {
    keywords.at(i) = settings.at(i).first;
    values.at(i) = settings.at(i).second;
  }
  connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    const std::string message = in_one_line(PQerrorMessage(connection_.get()));
    // There is no code to tell them apart, but what a server itself says of why it refuses begins so.
    const bool refused = message.find("FATAL:") != std::string::npos;
    throw PostgresLost(fmt::format("the store {}: {}: {}. Check {}", shown_,
                                   refused ? "the server refuses" : "no server answers", message,
                                   refused ? "the user's and the database's names, and the password"
                                           : "host and port, and that PostgreSQL runs there"));
  }
  // What it would rather tell a person at a terminal.
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  if (PQenterPipelineMode(connection_.get()) != 1) lose();
}

PostgresConnection::~PostgresConnection() {
  // A forked child must not say goodbye in its parent's name.
  if (getpid() != owner_) static_cast<void>(connection_.release());
}

void PostgresConnection::lose() {
  broken_ = true;
  throw PostgresLost(fmt::format("the store {}: the connection broke: {}", shown_,
                                 in_one_line(PQerrorMessage(connection_.get()))));
}

void PostgresConnection::fail(const pg_result* result) const {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string code = state == nullptr ? "XX000" : state;
  throw PostgresError(fmt::format("the store {}: {} ({}; PostgreSQL's code {})", shown_, advice(code),
                                  in_one_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)), code),
                      code);
}

const std::string& PostgresConnection::prepared(const char* sql) {
  std::string& name = statements_[sql];
  if (name.empty()) {
    name = fmt::format("k{}", ++named_);
    if (PQsendPrepare(connection_.get(), name.c_str(), numbered(sql).c_str(), 0, nullptr) != 1) lose();
    sent_.push_back(false);
  }
  return name;
}

void PostgresConnection::enqueue(const char* sql, const Values& values, bool wanted) {
  const std::string& name = prepared(sql);
  std::vector<const char*> data;
  std::vector<int> lengths;
  const std::vector<int> formats(values.size(), 1);
  for (const auto& value : values) {
    data.push_back(value ? value->data() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  if (PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()), data.data(),
                          lengths.data(), formats.data(), 1) != 1) {
    lose();
  }
  sent_.push_back(wanted);
}

void PostgresConnection::send(const char* sql, const Values& values) {
  enqueue(sql, values, false);
}

PostgresResult PostgresConnection::ask(const char* sql, const Values& values) {
  enqueue(sql, values, true);
  return std::move(settle().front());
}

std::vector<PostgresResult> PostgresConnection::ask_all(const std::vector<Statement>& statements) {
  for (const Statement& statement : statements) enqueue(statement.sql, statement.values, true);
  return settle();
}

std::vector<PostgresResult> PostgresConnection::settle() {
  if (PQpipelineSync(connection_.get()) != 1) lose();
  std::vector<PostgresResult> wanted;
  PostgresResult failed;
  std::size_t at = 0;
  int ends = 0;
  for (;;) {
    PostgresResult result(PQgetResult(connection_.get()));
    if (!result) {
      // Behind each statement's result comes an end of its own; without a result it is the connection's.
      if (PQstatus(connection_.get()) != CONNECTION_OK || ++ends > 2) lose();
      continue;
    }
    ends = 0;
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR) {
      if (PQstatus(connection_.get()) != CONNECTION_OK) lose();
      if (!failed) failed = std::move(result);
    } else if (at < sent_.size() && sent_[at]) {
      wanted.push_back(std::move(result));
    }
    ++at;
  }
  sent_.clear();
  if (failed) {
    // What could not be prepared is not there; to find out which is not worth it.
    statements_.clear();
    fail(failed.get());
  }
  return wanted;
}

void PostgresConnection::execute(const std::string& sql) {
  if (!sent_.empty()) settle();
  if (PQexitPipelineMode(connection_.get()) != 1) lose();
  const PostgresResult result(PQexec(connection_.get(), sql.c_str()));
  const auto status = PQresultStatus(result.get());
  if (PQstatus(connection_.get()) != CONNECTION_OK) lose();
  if (PQenterPipelineMode(connection_.get()) != 1) lose();
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result.get());
}

void PostgresConnection::begin(const char* sql) {
  send(sql);
  open_ = true;
  event_ = 0;
}

void PostgresConnection::begin_writing() {
  begin("BEGIN");
  send("SET LOCAL idle_in_transaction_session_timeout = " KRIGON_POSTGRES_LONGEST_SILENCE);
}

bool PostgresConnection::commit() {
  try {
    ask("COMMIT");
  } catch (const PostgresLost&) {
    return false;
  }
  // Where it failed, what had been sent before it did: the transaction is still to be left.
  open_ = false;
  return true;
}

PostgresResult PostgresConnection::commit_after(const Statement& last) {
  enqueue(last.sql, last.values, true);
  send("COMMIT");
  auto results = settle();
  open_ = false;
  return std::move(results.front());
}

const PostgresConnection::Backend& PostgresConnection::backend() {
  if (!backend_) {
    PostgresQuery own(*this, KRIGON_POSTGRES_BACKEND " WHERE pid = pg_backend_pid()");
    own.next();
    backend_ = Backend{own.integer(0), own.integer(1)};
  }
  return *backend_;
}

void PostgresConnection::rollback() noexcept {
  if (!open_ || broken_ || getpid() != owner_) return;
  open_ = false;
  try {
    ask("ROLLBACK");
  } catch (const std::exception&) {
    // The failure of what was sent before: the rollback came through unless the connection broke.
    if (broken_) return;
    try {
      ask("ROLLBACK");
    } catch (const std::exception&) {
      broken_ = true;
    }
  }
}

bool PostgresQuery::next() {
  if (!result_) result_ = connection_->ask(sql_, bound_.values);
  return ++row_ < PQntuples(result_.get());
}

int PostgresQuery::columns() const {
  return PQnfields(result_.get());
}

bool PostgresQuery::null(int column) const {
  return PQgetisnull(result_.get(), row_, column) == 1;
}

std::int64_t PostgresQuery::integer(int column) const {
  const int size = PQgetlength(result_.get(), row_, column);
  const std::uint64_t bits = from_network(PQgetvalue(result_.get(), row_, column), size);
  if (size == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(bits));
  return static_cast<std::int64_t>(bits);
}

double PostgresQuery::real(int column) const {
  return std::bit_cast<double>(from_network(PQgetvalue(result_.get(), row_, column), 8));
}

std::string_view PostgresQuery::text(int column) const {
  return {PQgetvalue(result_.get(), row_, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
}

void PostgresValues::bind_integer(std::int64_t value) {
  values.emplace_back(network_bytes(static_cast<std::uint64_t>(value)));
}

void PostgresValues::bind_real(double value) {
  values.emplace_back(network_bytes(std::bit_cast<std::uint64_t>(value)));
}

}  // namespace krigon::detail
