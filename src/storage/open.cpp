#include <array>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>

#include "core/url.hpp"
#include "krigon/error.hpp"
#include "storage/memory.hpp"
#include "storage/postgres.hpp"
#include "storage/sqlite.hpp"
#include "storage/storage.hpp"

namespace krigon {
namespace {

const SystemClock kSystemClock;

std::unique_ptr<Storage> memory(std::string_view url, std::string_view rest, const StorageOptions& options) {
  if (!rest.empty()) {
    throw UsageError(
        fmt::format("the store \"{}\": found \"{}\" after memory:, expected nothing", url, rest));
  }
  return detail::open_memory(options.clock ? *options.clock : kSystemClock, options.read_only);
}

std::string sqlite_file(std::string_view url, std::string_view rest) {
  if (rest.starts_with("//")) rest.remove_prefix(2);
  if (rest.empty() || rest.find('\0') != std::string_view::npos) {
    throw UsageError(
        fmt::format("the store \"{}\" names no file; write e.g. sqlite:///home/me/krigon.db", url));
  }
  return std::string(rest);
}

std::unique_ptr<Storage> sqlite(std::string_view url, std::string_view rest, const StorageOptions& options) {
  return detail::open_sqlite(sqlite_file(url, rest), options.create, options.read_only,
                             options.clock ? *options.clock : kSystemClock);
}

bool sqlite_exists(std::string_view url, std::string_view rest) {
  std::error_code ignored;
  return std::filesystem::exists(sqlite_file(url, rest), ignored);
}

/// libpq reads the rest, and says what is wrong with it.
std::unique_ptr<Storage> postgres(std::string_view url, std::string_view, const StorageOptions& options) {
  return detail::open_postgres(std::string(url), options.create, options.read_only, options.clock);
}

bool postgres_holds_one(std::string_view url, std::string_view) {
  return detail::postgres_exists(std::string(url));
}

struct Kind {
  std::string_view scheme;
  std::string_view form;  ///< for people; empty: another name of the one before
  std::unique_ptr<Storage> (*open)(std::string_view url, std::string_view rest, const StorageOptions&);
  bool (*exists)(std::string_view url, std::string_view rest);
};

constexpr std::array<Kind, 4> kKinds{
    {{"memory", "memory:", memory, [](std::string_view, std::string_view) { return false; }},
     {"sqlite", "sqlite:///path/to/file", sqlite, sqlite_exists},
     {"postgresql", "postgresql://user@host/database", postgres, postgres_holds_one},
     {"postgres", "", postgres, postgres_holds_one}}};

/// "sqlite" of "sqlite:///x"; empty for a plain path.
std::string_view scheme_of(std::string_view url) {
  const auto colon = url.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const auto scheme = url.substr(0, colon);
  for (const char c : scheme) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '.' && c != '-') return {};
  }
  const bool known = scheme == "memory" || scheme == "sqlite";
  return known || url.substr(colon + 1).starts_with("//") ? scheme : std::string_view{};
}

struct Named {
  const Kind* kind;
  std::string_view rest;
};

Named named(std::string_view url) {
  const auto scheme = scheme_of(url);
  if (scheme.empty()) {
    if (url == ":memory:" || url == "memory") {
      throw UsageError(fmt::format("the store \"{}\": write memory: (or ./{} for a file)", url, url));
    }
    return {&kKinds[1], url};
  }
  std::string allowed;
  for (const auto& kind : kKinds) {
    if (kind.scheme == scheme) return {&kind, url.substr(scheme.size() + 1)};
    if (!kind.form.empty()) allowed += fmt::format("{}, ", kind.form);
  }
  throw UsageError(fmt::format("the store \"{}\": found \"{}:\", allowed are {}or a file's path",
                               without_password(url), scheme, allowed));
}

}  // namespace

std::shared_ptr<Storage> open_storage(std::string_view url, const StorageOptions& options) {
  const auto [kind, rest] = named(url);
  return kind->open(url, rest, options);
}

bool store_exists(std::string_view url) {
  const auto [kind, rest] = named(url);
  return kind->exists(url, rest);
}

}  // namespace krigon
