#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace krigon::detail {

/// Collects what is wrong with one file, so that a person mends it in one go.
class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}

  /// `line` from 1, or 0 for the file as a whole; `key` as "parameters.x.min", may be empty.
  /// The hundredth error ends it: throws as throw_errors() does, for a file that is no study at all.
  void error(int line, std::string_view key, std::string_view message);
  void warning(int line, std::string_view key, std::string_view message);

  bool failed() const { return !errors_.empty(); }
  /// Throws ConfigError with all errors, one a line, by line number; nothing where there is none.
  void throw_errors() const;
  /// "file:line: key: message", by line number.
  std::vector<std::string> warnings() const;

 private:
  struct Entry {
    int line;
    std::string text;
  };
  Entry entry(int line, std::string_view key, std::string_view message) const;
  static std::vector<Entry> by_line(std::vector<Entry> entries);

  std::string file_;
  std::vector<Entry> errors_;
  std::vector<Entry> warnings_;
};

}  // namespace krigon::detail
