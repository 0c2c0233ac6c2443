#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "krigon/value.hpp"

namespace krigon {

/// Longer lines of a report file are set aside unread.
inline constexpr std::size_t kLongestReportLine = 64 * 1024;

/// One line of a report file, understood.
struct ReportLine {
  std::optional<std::int64_t> step;     ///< at least 1; absent: a final report
  Metrics metrics;                      ///< finite
  std::vector<std::string> not_finite;  ///< metrics reported as null, NaN, an infinity or beyond double
};

/// Reads a JSON object of numbers, such as {"step": 3, "accuracy": 0.91}. `step`, where present, is a
/// whole number from 1. A value that is no finite number (null, NaN, Infinity, -Infinity, 1e400, as
/// the JSON writers of many languages put it) is listed in not_finite. Otherwise says in words what is
/// wrong: not JSON, not an object, a bad step, a value that is no number, nothing in it. Never throws
/// for any bytes.
std::variant<ReportLine, std::string> parse_report_line(std::string_view line);

/// The line for parse_report_line, with its newline; non-finite values become null.
std::string format_report_line(std::optional<std::int64_t> step, const Metrics& metrics);

/// Appends one report to a file in a single write, so that several writers do not mix their lines.
/// Throws UsageError for a step below 1, a metric that parse_report_line would refuse, or no metric at
/// all; EnvironmentError when the file cannot be written.
void append_report(const std::filesystem::path& file, std::optional<std::int64_t> step,
                   const Metrics& metrics);

}  // namespace krigon
