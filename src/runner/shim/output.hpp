#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runner/unique_fd.hpp"

namespace krigon::detail {

/// One output stream of the program, kept in a file of bounded size: its beginning and its end.
///
/// The first half of the limit goes to `path` as it comes. What follows goes to two further files
/// in turn, each a quarter of the limit, the older one dropped when the newer is full; close() puts
/// them behind the beginning, with a line that says how much is missing. So neither disk nor memory
/// grows with what is printed. A write that fails loses output, never the program.
class OutputFile {
 public:
  OutputFile() = default;
  /// False when the file cannot be made (errno says why).
  bool open(const std::string& path, std::uint64_t limit);
  void write(std::string_view data);
  /// Puts beginning and end together.
  void close();

  std::int64_t dropped() const { return dropped_; }
  int error() const { return error_; }

 private:
  void write_to(const UniqueFd& fd, std::string_view data);
  void next_part();
  void append_part(const std::string& path, bool from_line_start);

  std::string path_, current_path_, previous_path_;
  UniqueFd head_, current_;
  std::uint64_t head_room_ = 0, part_size_ = 0, current_size_ = 0, previous_size_ = 0;
  bool has_previous_ = false;
  std::int64_t dropped_ = 0;
  int error_ = 0;
};

}  // namespace krigon::detail
