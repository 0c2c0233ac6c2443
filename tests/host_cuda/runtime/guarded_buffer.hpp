#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace krigon::host_cuda {

constexpr std::size_t kPage = 4096;
/// The unset byte: eight of them are a NaN, four are -1.
constexpr unsigned char kUnset = 0xff;

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

/// Memory with a closed page on either side, its end set against the upper one, so that an index past the
/// end faults at once; what is left below its start keeps a pattern that `check` looks at.
class GuardedBuffer {
 public:
  GuardedBuffer(std::size_t bytes, std::size_t alignment, std::string name);
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  void* data() const { return start_; }
  std::size_t size() const { return bytes_; }
  const std::string& name() const { return name_; }
  void fill_unset();
  /// Ends the process if something was written below the start.
  void check() const;

  /// Which buffer's closed page holds the address, in words; empty if none's.
  static std::string describe(const void* address);

 private:
  unsigned char* mapping_;
  std::size_t mapped_;
  unsigned char* start_;
  std::size_t bytes_;
  std::string name_;
};

// For the address sanitizer, which then knows the buffer's exact bounds; nothing elsewhere.
void forbid_access(const void* from, const void* to);
void allow_access(const void* from, const void* to);

/// Fills bytes in a way that the thread sanitizer does not take for the kernel's own writes.
void fill_unseen(void* from, unsigned char value, std::size_t bytes);

}  // namespace krigon::host_cuda
