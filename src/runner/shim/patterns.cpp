#include "runner/shim/patterns.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include <fcntl.h>
#include <unistd.h>

namespace krigon::detail {

namespace {

constexpr std::size_t kLongestLine = 4096;
/// Reports made from one attempt's output: keeps the report file bounded whatever is printed.
constexpr std::int64_t kMostReports = 1'000'000;

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) {
    const bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    out += plain ? c : '?';
  }
  return out + '"';
}

/// The matched text as a JSON value; text that is no number goes as a string, which the reader of
/// the report file sets aside with a warning that quotes it.
std::string json_value(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '+')) rest.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error == std::errc::result_out_of_range) return std::string(rest.data(), end);
  if (error != std::errc{}) return json_string(text);
  if (!std::isfinite(value)) return "null";
  std::array<char, 32> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), written.ptr};
}

}  // namespace

std::string required_text(std::string_view pattern) {
  std::string best, run;
  int depth = 0;
  const auto end_run = [&] {
    if (run.size() > best.size()) best = run;
    run.clear();
  };
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '|') return {};  // any branch may match
    if (c == '[') {
      end_run();
      for (++i; i < pattern.size() && pattern[i] != ']'; ++i) {
        if (pattern[i] == '\\') ++i;
        if (pattern.substr(i, 2) == "[:") i = std::min(pattern.find(":]", i), pattern.size() - 2) + 1;
      }
    } else if (c == '(' || c == ')') {
      end_run();
      depth += c == '(' ? 1 : -1;
    } else if (c == '?' || c == '*' || c == '{') {
      if (!run.empty()) run.pop_back();  // the character before may be absent
      end_run();
      if (c == '{') {
        while (i < pattern.size() && pattern[i] != '}') ++i;
      }
    } else if (c == '.' || c == '^' || c == '$' || c == '+') {
      end_run();
    } else if (c == '\\') {
      ++i;
      if (i < pattern.size() && std::ispunct(static_cast<unsigned char>(pattern[i])) != 0) {
        if (depth == 0) run += pattern[i];
      } else {
        end_run();
        if (i < pattern.size() && (pattern[i] == 'x' || pattern[i] == 'u' || pattern[i] == 'c')) return best;
      }
    } else if (depth == 0) {
      run += c;
    }
  }
  end_run();
  return best;
}

std::regex compile_pattern(const std::string& pattern) {
#ifdef __GLIBCXX__
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
  } catch (const std::regex_error& e) {
    if (e.code() != std::regex_constants::error_complexity) throw;
  }
#endif
  return std::regex(pattern, std::regex::ECMAScript);
}

PatternReader::PatternReader(const std::vector<ShimPattern>& patterns, const std::string& report_file)
    : report_file_(report_file) {
  for (const auto& p : patterns) {
    entries_.push_back({p, required_text(p.pattern), compile_pattern(p.pattern), {}, false, 0});
    has_objective_ = has_objective_ || p.is_objective;
  }
}

void PatternReader::feed(bool from_stderr, std::string_view data) {
  if (entries_.empty()) return;
  std::string& line = lines_[from_stderr ? 1 : 0];
  while (!data.empty()) {
    const std::size_t end = data.find_first_of("\n\r");
    const std::string_view piece = data.substr(0, end);
    if (line.size() < kLongestLine) line.append(piece.substr(0, kLongestLine - line.size()));
    if (end == std::string_view::npos) return;
    if (!line.empty()) on_line(from_stderr, line);
    line.clear();
    data.remove_prefix(end + 1);
  }
}

void PatternReader::on_line(bool from_stderr, std::string_view line) {
  std::vector<Entry*> matched;
  bool objective = false;
  for (auto& e : entries_) {
    if (e.pattern.from_stderr != from_stderr) continue;
    if (!e.needle.empty() && line.find(e.needle) == std::string_view::npos) continue;
    std::match_results<std::string_view::const_iterator> match;
    try {
      if (!std::regex_search(line.begin(), line.end(), match, e.regex)) continue;
    } catch (const std::regex_error&) {
      continue;
    }
    const auto& group = match.size() > 1 && match[1].matched ? match[1] : match[0];
    e.last = json_value(std::string_view(line.data() + (group.first - line.begin()),
                                         static_cast<std::size_t>(group.length())));
    e.pending = true;
    ++e.count;
    matched.push_back(&e);
    objective = objective || e.pattern.is_objective;
  }
  if (matched.empty() || (has_objective_ && !objective)) return;

  std::optional<std::string> step;
  std::int64_t count = 0;
  for (const auto& e : entries_) {
    if (e.pattern.is_step && e.count > 0) step = e.last;
    if (e.pattern.is_objective) count = e.count;
  }
  std::vector<const Entry*> report;
  for (auto& e : entries_) {
    if (!e.pending || e.pattern.is_step) continue;
    e.pending = false;
    if (has_objective_ || step) {
      report.push_back(&e);
    } else {
      emit(std::to_string(e.count), {&e});
    }
  }
  if (!report.empty()) emit(step ? *step : std::to_string(count), report);
}

void PatternReader::emit(const std::optional<std::string>& step, const std::vector<const Entry*>& entries) {
  if (step && ++emitted_ > kMostReports) return;
  std::string text = step ? "{\"step\": " + *step : "{";
  bool first = !step;
  for (const Entry* e : entries) {
    if (!first) text += ", ";
    first = false;
    text += e->pattern.json_name + ": " + e->last;
  }
  text += "}\n";
  if (!report_) {
    report_ = UniqueFd(::open(report_file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
  }
  if (report_) {
    // One write: the program may append to the same file.
    [[maybe_unused]] const ssize_t n = ::write(report_.get(), text.data(), text.size());
  }
}

void PatternReader::finish() {
  for (const bool from_stderr : {false, true}) {
    std::string& line = lines_[from_stderr ? 1 : 0];
    if (!line.empty()) on_line(from_stderr, line);
    line.clear();
  }
  std::vector<const Entry*> report;
  for (const auto& e : entries_) {
    if (e.count > 0 && !e.pattern.is_step) report.push_back(&e);
  }
  if (!report.empty()) emit(std::nullopt, report);
}

}  // namespace krigon::detail
