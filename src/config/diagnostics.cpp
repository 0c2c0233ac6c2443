#include "config/diagnostics.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon::detail {
namespace {
constexpr std::size_t kMostKept = 100;  // bounds what a hostile file costs
constexpr std::size_t kMostShown = 20;
}  // namespace

Diagnostics::Entry Diagnostics::entry(int line, std::string_view key, std::string_view message) const {
  const std::string place = line > 0 ? fmt::format("{}:{}", file_, line) : file_;
  return {line, key.empty() ? fmt::format("{}: {}", place, message)
                            : fmt::format("{}: {}: {}", place, key, message)};
}

void Diagnostics::error(int line, std::string_view key, std::string_view message) {
  errors_.push_back(entry(line, key, message));
  if (errors_.size() >= kMostKept) throw_errors();
}

void Diagnostics::warning(int line, std::string_view key, std::string_view message) {
  if (warnings_.size() < kMostShown) warnings_.push_back(entry(line, key, message));
}

std::vector<Diagnostics::Entry> Diagnostics::by_line(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.line < b.line; });
  return entries;
}

void Diagnostics::throw_errors() const {
  if (errors_.empty()) return;
  std::string text;
  std::size_t shown = 0;
  for (const auto& e : by_line(errors_)) {
    if (shown == kMostShown) break;
    text += (shown == 0 ? "" : "\n") + e.text;
    ++shown;
  }
  const std::size_t more = errors_.size() - shown;
  if (more > 0) {
    text += errors_.size() >= kMostKept
                ? fmt::format("\n{}: at least {} further errors are not shown", file_, more)
            : more == 1 ? fmt::format("\n{}: 1 further error is not shown", file_)
                        : fmt::format("\n{}: {} further errors are not shown", file_, more);
  }
  throw ConfigError(text);
}

std::vector<std::string> Diagnostics::warnings() const {
  std::vector<std::string> texts;
  for (auto& e : by_line(warnings_)) texts.push_back(std::move(e.text));
  return texts;
}

}  // namespace krigon::detail
