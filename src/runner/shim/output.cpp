#include "runner/shim/output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace krigon::detail {

namespace {

constexpr std::uint64_t kSmallestLimit = 4096;

UniqueFd create(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
}

}  // namespace

bool OutputFile::open(const std::string& path, std::uint64_t limit) {
  limit = std::max(limit, kSmallestLimit);
  path_ = path;
  current_path_ = path + ".end";
  previous_path_ = path + ".end-1";
  part_size_ = limit / 4;
  head_room_ = limit - 2 * part_size_;
  head_ = create(path);
  return static_cast<bool>(head_);
}

void OutputFile::write_to(const UniqueFd& fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd.get(), data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      error_ = n < 0 ? errno : EIO;
      dropped_ += static_cast<std::int64_t>(data.size());
      return;
    }
    data.remove_prefix(static_cast<std::size_t>(n));
  }
}

void OutputFile::next_part() {
  if (current_) {
    if (has_previous_) dropped_ += static_cast<std::int64_t>(previous_size_);
    ::rename(current_path_.c_str(), previous_path_.c_str());
    previous_size_ = current_size_;
    has_previous_ = true;
  }
  current_ = create(current_path_);
  current_size_ = 0;
  if (!current_) error_ = errno;
}

void OutputFile::write(std::string_view data) {
  const std::uint64_t to_head = std::min<std::uint64_t>(head_room_, data.size());
  if (to_head > 0) {
    write_to(head_, data.substr(0, to_head));
    head_room_ -= to_head;
    data.remove_prefix(to_head);
  }
  while (!data.empty()) {
    if (!current_ || current_size_ >= part_size_) next_part();
    const std::uint64_t n = std::min<std::uint64_t>(part_size_ - current_size_, data.size());
    write_to(current_, data.substr(0, n));
    current_size_ += n;
    data.remove_prefix(n);
  }
}

void OutputFile::append_part(const std::string& path, bool from_line_start) {
  const UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 65536> buffer;
  ssize_t n = 0;
  while (in && (n = ::read(in.get(), buffer.data(), buffer.size())) > 0) {
    std::string_view data(buffer.data(), static_cast<std::size_t>(n));
    if (from_line_start) {
      const std::size_t end = data.find('\n');
      if (end != std::string_view::npos) data.remove_prefix(end + 1);
      from_line_start = false;
    }
    write_to(head_, data);
  }
  ::unlink(path.c_str());
}

void OutputFile::close() {
  if (current_) {
    current_.reset();
    if (dropped_ > 0) {
      const std::string line =
          "\n[krigon: " + std::to_string(dropped_) + " bytes left out here by output_limit]\n";
      write_to(head_, line);
    }
    const bool cut = dropped_ > 0;
    if (has_previous_) append_part(previous_path_, cut);
    append_part(current_path_, cut && !has_previous_);
  }
  head_.reset();
}

}  // namespace krigon::detail
