#include "tests/host_cuda/runtime/guarded_buffer.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/host_cuda/runtime/violation.hpp"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace krigon::host_cuda {
namespace {

std::mutex& registry_mutex() {
  static std::mutex mutex;
  return mutex;
}
// By the mapping's first byte.
std::map<const unsigned char*, const GuardedBuffer*>& registry() {
  static auto* buffers = new std::map<const unsigned char*, const GuardedBuffer*>;  // outlives every static
  return *buffers;
}

/// Closed memory, in a way that the thread sanitizer does not take for a write of the calling thread's.
unsigned char* map_unseen(std::size_t bytes) {
  const long address =
      syscall(SYS_mmap, nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  return address == -1 ? nullptr : reinterpret_cast<unsigned char*>(address);
}

}  // namespace

void forbid_access([[maybe_unused]] const void* from, [[maybe_unused]] const void* to) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(from, static_cast<const char*>(to) - static_cast<const char*>(from));
#endif
}
void allow_access([[maybe_unused]] const void* from, [[maybe_unused]] const void* to) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(from, static_cast<const char*>(to) - static_cast<const char*>(from));
#endif
}

void fill_unseen(void* from, unsigned char value, std::size_t bytes) {
  volatile unsigned char* to = static_cast<unsigned char*>(from);
  for (std::size_t i = 0; i < bytes; ++i) to[i] = value;  // volatile: no call of memset, which is watched
}

GuardedBuffer::GuardedBuffer(std::size_t bytes, std::size_t alignment, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  const std::size_t inner = round_up(std::max<std::size_t>(bytes, 1), kPage);
  mapped_ = inner + 2 * kPage;
  mapping_ = map_unseen(mapped_);
  if (mapping_ == nullptr) violation(fmt::format("no memory for {} bytes of '{}'", bytes, name_));
  mprotect(mapping_ + kPage, inner, PROT_READ | PROT_WRITE);
  start_ = mapping_ + kPage + inner - round_up(bytes, alignment);
  fill_unseen(mapping_ + kPage, kUnset, inner);
  forbid_access(mapping_ + kPage, start_);
  forbid_access(start_ + bytes, mapping_ + kPage + inner);
  const std::lock_guard lock(registry_mutex());
  registry()[mapping_] = this;
}

GuardedBuffer::~GuardedBuffer() {
  {
    const std::lock_guard lock(registry_mutex());
    registry().erase(mapping_);
  }
  allow_access(mapping_, mapping_ + mapped_);
  syscall(SYS_munmap, mapping_, mapped_);
}

void GuardedBuffer::fill_unset() {
  fill_unseen(start_, kUnset, bytes_);
}

void GuardedBuffer::check() const {
  const unsigned char* const from = mapping_ + kPage;
  allow_access(from, start_);
  const bool intact = std::all_of(from, static_cast<const unsigned char*>(start_),
                                  [](unsigned char byte) { return byte == kUnset; });
  forbid_access(from, start_);
  if (!intact) violation(fmt::format("shared memory '{}' was written below its start", name_));
}

std::string GuardedBuffer::describe(const void* address) {
  // Called where the process ends: a lock held by another thread must not keep it.
  const std::unique_lock lock(registry_mutex(), std::try_to_lock);
  if (!lock) return {};
  const unsigned char* const at = static_cast<const unsigned char*>(address);
  auto next = registry().upper_bound(at);
  if (next == registry().begin()) return {};
  const GuardedBuffer& buffer = *std::prev(next)->second;
  if (at >= buffer.mapping_ + buffer.mapped_) return {};
  return at >= buffer.start_ ? fmt::format("{} bytes past the start of shared memory '{}' of {} bytes",
                                           at - buffer.start_, buffer.name_, buffer.bytes_)
                             : fmt::format("{} bytes below the start of shared memory '{}'",
                                           buffer.start_ - at, buffer.name_);
}

}  // namespace krigon::host_cuda
