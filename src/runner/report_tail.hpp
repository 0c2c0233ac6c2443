#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "runner/unique_fd.hpp"

namespace krigon::detail {

/// Reads a file that another process appends to, line by line. A last line without its newline is
/// kept until that comes, or until finish(). A file that was cut or replaced is read from its start.
/// Lines beyond kLongestReportLine are dropped and counted.
class ReportTail {
 public:
  explicit ReportTail(std::string path) : path_(std::move(path)) {}

  /// Takes in at most `most` bytes; calls on_line(std::string_view) for each whole line. True when there
  /// may be more to read at once.
  template <class OnLine>
  bool read(std::size_t most, OnLine on_line) {
    const bool more = fill(most);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (skipping_) {
        skipping_ = false;
      } else if (end - begin > longest()) {
        ++too_long_;
      } else {
        on_line(std::string_view(buffer_).substr(begin, end - begin));
      }
    }
    buffer_.erase(0, begin);
    if (buffer_.size() > longest()) {
      if (!skipping_) ++too_long_;
      skipping_ = true;
    }
    if (skipping_) buffer_.clear();
    return more;
  }
  /// The last line, when it had no newline.
  template <class OnLine>
  void finish(OnLine on_line) {
    if (!buffer_.empty() && !skipping_) on_line(std::string_view(buffer_));
    buffer_.clear();
  }
  std::int64_t too_long() const { return too_long_; }

 private:
  static std::size_t longest();
  bool fill(std::size_t most);
  void reopen_if_replaced();

  std::string path_;
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t offset_ = 0;
  std::string buffer_;
  bool skipping_ = false;
  std::int64_t too_long_ = 0;
};

}  // namespace krigon::detail
