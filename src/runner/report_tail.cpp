#include "runner/report_tail.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/report_line.hpp"

namespace krigon::detail {

std::size_t ReportTail::longest() {
  return kLongestReportLine;
}

void ReportTail::reopen_if_replaced() {
  struct stat now = {};
  if (::stat(path_.c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return;
  const bool same = fd_ && now.st_dev == device_ && now.st_ino == inode_;
  if (same && now.st_size >= offset_) return;
  if (!same) fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  device_ = now.st_dev;
  inode_ = now.st_ino;
  offset_ = 0;
  buffer_.clear();
  skipping_ = false;
}

bool ReportTail::fill(std::size_t most) {
  reopen_if_replaced();
  if (!fd_) return false;
  std::array<char, 65536> chunk;
  while (most > 0) {
    const ssize_t n = ::pread(fd_.get(), chunk.data(), std::min(chunk.size(), most), offset_);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(n));
    offset_ += n;
    most -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace krigon::detail
