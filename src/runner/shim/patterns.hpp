#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "runner/shim_protocol.hpp"
#include "runner/unique_fd.hpp"

namespace krigon::detail {

/// The longest run of plain characters that every match of the pattern holds; empty when none is
/// certain. Looking for it first keeps programs fast that print much and match seldom.
std::string required_text(std::string_view pattern);

/// Compiles for matching in time proportional to the line, without recursion, wherever the pattern
/// has no back reference. Throws std::regex_error.
std::regex compile_pattern(const std::string& pattern);

/// Reads metrics out of what the program prints and writes them to its report file as if it had
/// done so itself. A line ends at '\n' or '\r' (progress bars); only its first 4 kB are looked at.
///
/// A line that matches the objective's pattern makes a report of all that was matched since the
/// last one. Its step is what a pattern named `step` last matched; without such a pattern the n-th
/// match of the objective is step n. finish() writes the last value of every metric as the final
/// report.
class PatternReader {
 public:
  /// Throws std::regex_error.
  PatternReader(const std::vector<ShimPattern>& patterns, const std::string& report_file);
  void feed(bool from_stderr, std::string_view data);
  void finish();

 private:
  struct Entry {
    ShimPattern pattern;
    std::string needle;
    std::regex regex;
    std::string last;  ///< its value as JSON
    bool pending = false;
    std::int64_t count = 0;
  };

  void on_line(bool from_stderr, std::string_view line);
  void emit(const std::optional<std::string>& step, const std::vector<const Entry*>& entries);

  std::vector<Entry> entries_;
  std::string report_file_;
  UniqueFd report_;
  std::array<std::string, 2> lines_;
  bool has_objective_ = false;
  std::int64_t emitted_ = 0;
};

}  // namespace krigon::detail
