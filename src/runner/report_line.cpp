#include "runner/report_line.hpp"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "krigon/error.hpp"
#include "runner/text.hpp"
#include "runner/unique_fd.hpp"

namespace krigon {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 200;

bool bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '+' ||
         c == '.';
}

bool not_finite(const std::string& word) {
  for (const std::string_view known :
       {"NaN", "nan", "-nan", "Infinity", "-Infinity", "inf", "-inf", "Inf", "-Inf", "+Inf"}) {
    if (word == known) return true;
  }
  const char first = word.front() == '-' && word.size() > 1 ? word[1] : word.front();
  return first >= '0' && first <= '9' && std::isinf(std::strtod(word.c_str(), nullptr));
}

/// Many JSON writers put NaN and infinities as bare words, which are no JSON: they become null here,
/// and so do numbers beyond double.
std::string without_bare_words(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == '"') {
      std::size_t end = i + 1;
      while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, line.size());
      out += line.substr(i, end - i);
      i = end;
    } else if (bare(line[i])) {
      std::size_t end = i;
      while (end < line.size() && bare(line[end])) ++end;
      const std::string word(line.substr(i, end - i));
      out += not_finite(word) ? "null" : word;
      i = end;
    } else {
      out += line[i++];
    }
  }
  return out;
}

bool good_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

/// Takes the parser's events for one flat object; the first thing that is wrong ends it.
class Reader final : public nlohmann::json_sax<json> {
 public:
  ReportLine line;
  std::string wrong;

  bool null() override {
    if (!inside_) return refuse("not a JSON object");
    if (key_ == "step") return refuse("the step is not a whole number");
    line.metrics.erase(key_);
    line.not_finite.push_back(key_);
    return true;
  }
  bool boolean(bool value) override { return no_number(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    if (inside_ && key_ == "step") return take_step(value);
    return take(static_cast<double>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (inside_ && key_ == "step") {
      if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
        return refuse("the step is beyond 2^63");
      }
      return take_step(static_cast<std::int64_t>(value));
    }
    return take(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (inside_ && key_ == "step") {
      if (value != std::floor(value) || std::fabs(value) > 9007199254740992.0) {
        return refuse(fmt::format("the step {} is not a whole number", detail::excerpt(text)));
      }
      return take_step(static_cast<std::int64_t>(value));
    }
    return take(value);
  }
  bool string(string_t& value) override { return no_number('"' + detail::excerpt(value, 30) + '"'); }
  bool binary(binary_t& /*value*/) override { return refuse("not JSON"); }
  bool start_object(std::size_t /*size*/) override {
    if (inside_) return no_number("an object");
    inside_ = true;
    return true;
  }
  bool key(string_t& name) override {
    if (!good_name(name)) {
      return refuse(fmt::format("\"{}\" cannot be a metric's name (1 to {} bytes, no control characters)",
                                detail::excerpt(name, 30), kLongestName));
    }
    key_ = name;
    return true;
  }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return no_number("an array"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return refuse(inside_ || position > 1 ? fmt::format("not JSON at column {}", position) : "not JSON");
  }

 private:
  bool refuse(std::string why) {
    wrong = std::move(why);
    return false;
  }
  bool no_number(const std::string& what) {
    if (!inside_) return refuse("not a JSON object");
    return refuse(fmt::format("\"{}\" is {}, not a number", detail::excerpt(key_, 30), what));
  }
  bool take_step(std::int64_t value) {
    if (value < 1) return refuse(fmt::format("the step is {}; steps count from 1", value));
    line.step = value;
    return true;
  }
  bool take(double value) {
    if (!inside_) return refuse("not a JSON object");
    std::erase(line.not_finite, key_);
    line.metrics[key_] = value;
    return true;
  }

  bool inside_ = false;
  std::string key_;
};

}  // namespace

std::variant<ReportLine, std::string> parse_report_line(std::string_view line) {
  if (line.size() > kLongestReportLine) return fmt::format("longer than {} bytes", kLongestReportLine);
  Reader reader;
  bool good = false;
  try {
    good = json::sax_parse(without_bare_words(line), &reader);
  } catch (const std::exception&) {
    good = false;
  }
  if (!good) return reader.wrong.empty() ? std::string("not JSON") : reader.wrong;
  if (reader.line.metrics.empty() && reader.line.not_finite.empty()) return "no metric in it";
  return reader.line;
}

std::string format_report_line(std::optional<std::int64_t> step, const Metrics& metrics) {
  std::string text = step ? fmt::format("{{\"step\": {}", *step) : "{";
  bool first = !step;
  for (const auto& [name, value] : metrics) {
    if (!first) text += ", ";
    first = false;
    text += json(name).dump(-1, ' ', false, json::error_handler_t::replace);
    text += ": ";
    text += std::isfinite(value) ? to_string(value) : "null";
  }
  return text + "}\n";
}

void append_report(const std::filesystem::path& file, std::optional<std::int64_t> step,
                   const Metrics& metrics) {
  if (step && *step < 1) throw UsageError(fmt::format("the step is {}; steps count from 1", *step));
  const std::string line = format_report_line(step, metrics);
  const auto parsed = parse_report_line(std::string_view(line).substr(0, line.size() - 1));
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    throw UsageError(fmt::format("this report would not be accepted: {}", *wrong));
  }
  const detail::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
  ssize_t written = -1;
  if (fd) written = ::write(fd.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    throw EnvironmentError(fmt::format("cannot append a report to {}: {}", file.string(),
                                       written < 0 ? std::strerror(errno) : "the disk is full"));
  }
}

}  // namespace krigon
