#include "cli/csv.hpp"

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon::cli {

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    const std::string& field = fields[i];
    const bool blank_ends = !field.empty() && (field.front() == ' ' || field.back() == ' ');
    if (field.find_first_of(",\"\r\n") == std::string::npos && !blank_ends) {
      line += field;
      continue;
    }
    line += '"';
    for (const char c : field) line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

std::vector<CsvRecord> parse_csv(std::string_view text) {
  std::vector<CsvRecord> records;
  std::size_t line = 1;
  std::size_t at = 0;
  while (at < text.size()) {
    CsvRecord record;
    record.line = line;
    bool more = true;
    while (more) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        ++at;
        while (true) {
          const auto quote = text.find('"', at);
          if (quote == std::string_view::npos) {
            throw UsageError(fmt::format("line {}: a quoted field does not end", record.line));
          }
          field += text.substr(at, quote - at);
          at = quote + 1;
          if (at >= text.size() || text[at] != '"') break;
          field += '"';
          ++at;
        }
        for (const char c : field) line += c == '\n' ? 1 : 0;
      } else {
        const auto end = std::min(text.find_first_of(",\n", at), text.size());
        field = text.substr(at, end - at);
        at = end;
        if (!field.empty() && field.back() == '\r' && (at >= text.size() || text[at] == '\n'))
          field.pop_back();
      }
      if (at < text.size() && text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') ++at;
      if (at < text.size() && text[at] != ',' && text[at] != '\n') {
        throw UsageError(fmt::format("line {}: text after a quoted field's end", line));
      }
      more = at < text.size() && text[at] == ',';
      if (at < text.size() && text[at] == '\n') ++line;
      ++at;
      record.fields.push_back(std::move(field));
    }
    if (record.fields.size() > 1 || !record.fields.front().empty()) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace krigon::cli
