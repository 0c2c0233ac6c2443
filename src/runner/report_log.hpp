#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runner/report_line.hpp"

namespace krigon::detail {

/// What one attempt has reported so far, by the rules of reports: a metric's steps rise; a repeated
/// equal report is a no-op; a lower step or another value for a step is set aside. Keeps the first
/// few things that were wrong, in words.
class ReportLog {
 public:
  explicit ReportLog(std::string objective) : objective_(std::move(objective)) {}

  /// A line of the report file. Returns what is new in it: a step and its metrics.
  std::optional<std::pair<std::int64_t, Metrics>> add(std::string_view line);
  /// Something wrong that is no line.
  void warn(std::string text);

  struct Result {
    Metrics metrics;
    std::string problem;  ///< why there is no final value; empty when there is
  };
  /// The reports without a step, later over earlier; where the objective is not among them, also
  /// what was reported at the last step that had it.
  Result result() const;
  /// The first few, and how many more there were.
  std::vector<std::string> warnings() const;

 private:
  void set_aside(std::string_view line, const std::string& why);
  bool is_new(const std::string& metric, std::int64_t step, double value, std::string& why) const;

  std::string objective_;
  std::map<std::string, std::vector<std::pair<std::int64_t, double>>, std::less<>>
      steps_;  ///< by metric, rising
  Metrics final_;
  bool final_not_finite_ = false;
  std::optional<std::int64_t> not_finite_step_;  ///< the objective's last step, where it was not finite
  std::int64_t lines_ = 0, wrong_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace krigon::detail
