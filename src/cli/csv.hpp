#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace krigon::cli {

/// One record as a line ending in '\n', quoted where RFC 4180 asks for it.
std::string csv_line(const std::vector<std::string>& fields);

/// A record and the line, from 1, that it starts on.
struct CsvRecord {
  std::vector<std::string> fields;
  std::size_t line = 1;
};

/// The records of a text by RFC 4180, with LF or CRLF line ends; empty lines are left out. Throws
/// UsageError with the line for a quote that does not end or text after a closing quote.
std::vector<CsvRecord> parse_csv(std::string_view text);

}  // namespace krigon::cli
