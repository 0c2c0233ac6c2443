// Any bytes in a report file: never a crash or a hang, and whatever is accepted is sound.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runner/report_line.hpp"
#include "runner/report_log.hpp"
#include "runner/text.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_line(std::string_view line) {
  const auto parsed = krigon::parse_report_line(line);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    require(!wrong->empty());
    return;
  }
  const auto& report = std::get<krigon::ReportLine>(parsed);
  require(!report.metrics.empty() || !report.not_finite.empty());
  require(!report.step || *report.step >= 1);
  for (const auto& [name, value] : report.metrics) require(!name.empty() && std::isfinite(value));
  if (report.metrics.empty()) return;
  const std::string text = krigon::format_report_line(report.step, report.metrics);
  if (text.size() > krigon::kLongestReportLine) return;
  const auto again = krigon::parse_report_line(text);
  const auto* same = std::get_if<krigon::ReportLine>(&again);
  require(same != nullptr && same->step == report.step && same->metrics == report.metrics);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  krigon::detail::ReportLog log("accuracy");
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    check_line(line);
    if (const auto report = log.add(line)) require(report->first >= 1 && !report->second.empty());
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  const auto result = log.result();
  require(!result.problem.empty() || result.metrics.contains("accuracy"));
  require(log.warnings().size() <= 6);
  krigon::detail::last_lines({reinterpret_cast<const char*>(data), size}, 100);
  return 0;
}
