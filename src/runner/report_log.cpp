#include "runner/report_log.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "runner/text.hpp"

namespace krigon::detail {

namespace {

constexpr std::size_t kWarningsKept = 5;

}  // namespace

void ReportLog::warn(std::string text) {
  ++wrong_;
  if (warnings_.size() < kWarningsKept) warnings_.push_back(std::move(text));
}

void ReportLog::set_aside(std::string_view line, const std::string& why) {
  warn(fmt::format("report line {} set aside: {}: {}", lines_, why, excerpt(line)));
}

bool ReportLog::is_new(const std::string& metric, std::int64_t step, double value, std::string& why) const {
  const auto found = steps_.find(metric);
  if (found == steps_.end() || found->second.back().first < step) return true;
  const auto& earlier = found->second;
  const auto at = std::lower_bound(earlier.begin(), earlier.end(), step,
                                   [](const auto& a, std::int64_t b) { return a.first < b; });
  if (at == earlier.end() || at->first != step) {
    why = fmt::format("step {} of {} comes after step {}", step, excerpt(metric, 30), earlier.back().first);
  } else if (at->second != value) {
    why = fmt::format("{} at step {} was {} before", excerpt(metric, 30), step, to_string(at->second));
  }
  return false;
}

std::optional<std::pair<std::int64_t, Metrics>> ReportLog::add(std::string_view line) {
  ++lines_;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return std::nullopt;
  auto parsed = parse_report_line(line);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    set_aside(line, *wrong);
    return std::nullopt;
  }
  auto& report = std::get<ReportLine>(parsed);
  for (const auto& name : report.not_finite) {
    warn(fmt::format("report line {}: {} is not a finite number", lines_, excerpt(name, 30)));
    if (name != objective_) continue;
    if (report.step) {
      not_finite_step_ = std::max(not_finite_step_.value_or(0), *report.step);
    } else {
      final_not_finite_ = true;
    }
  }
  if (!report.step) {
    if (report.metrics.contains(objective_)) final_not_finite_ = false;
    for (const auto& [name, value] : report.metrics) final_[name] = value;
    return std::nullopt;
  }
  Metrics fresh;
  for (const auto& [name, value] : report.metrics) {
    std::string why;
    if (is_new(name, *report.step, value, why)) {
      steps_[name].emplace_back(*report.step, value);
      fresh.emplace(name, value);
    } else if (!why.empty()) {
      set_aside(line, why);
    }
  }
  if (fresh.empty()) return std::nullopt;
  return std::make_pair(*report.step, std::move(fresh));
}

ReportLog::Result ReportLog::result() const {
  Result result{final_, {}};
  if (final_not_finite_) {
    result.problem = fmt::format("the final value of '{}' is not a finite number", objective_);
    return result;
  }
  if (final_.contains(objective_)) return result;
  const auto steps = steps_.find(objective_);
  const std::int64_t last = steps == steps_.end() ? 0 : steps->second.back().first;
  if (not_finite_step_.value_or(0) > last) {
    result.problem = fmt::format("'{}' was not a finite number at step {}, the last that was reported",
                                 objective_, *not_finite_step_);
    return result;
  }
  if (last == 0) {
    std::string others;
    for (const auto& [name, value] : final_)
      others += fmt::format("{}'{}'", others.empty() ? "" : ", ", name);
    for (const auto& [name, values] : steps_) {
      if (!final_.contains(name)) others += fmt::format("{}'{}'", others.empty() ? "" : ", ", name);
    }
    result.problem = fmt::format("the program ended without reporting '{}'{}", objective_,
                                 others.empty() ? "" : "; it reported " + others);
    if (wrong_ > 0 && !warnings_.empty()) result.problem += "; " + warnings_.front();
    return result;
  }
  for (const auto& [name, values] : steps_) {
    if (values.back().first == last) result.metrics.emplace(name, values.back().second);
  }
  return result;
}

std::vector<std::string> ReportLog::warnings() const {
  auto result = warnings_;
  if (wrong_ > static_cast<std::int64_t>(kWarningsKept)) {
    result.push_back(fmt::format("{} more like these", wrong_ - static_cast<std::int64_t>(kWarningsKept)));
  }
  return result;
}

}  // namespace krigon::detail
