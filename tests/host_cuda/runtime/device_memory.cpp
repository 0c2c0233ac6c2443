#include "tests/host_cuda/runtime/device_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include <fmt/format.h>
#include <sys/mman.h>

#include "tests/host_cuda/runtime/faults.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

namespace krigon::host_cuda {
namespace {

constexpr std::size_t kReserved = std::size_t{256} << 30;

void set_protection(const Allocation& allocation, int protection) {
  mprotect(allocation.first_page(), allocation.page_bytes(), protection);
}

}  // namespace

unsigned char* Allocation::first_page() const {
  return start - reinterpret_cast<std::uintptr_t>(start) % kPage;
}
std::size_t Allocation::page_bytes() const {
  return round_up(static_cast<std::size_t>(start + bytes - first_page()), kPage);
}

DeviceMemory& DeviceMemory::instance() {
  static auto* memory = [] {
    install_fault_handler();
    return new DeviceMemory(kReserved);  // outlives every static
  }();
  return *memory;
}

DeviceMemory::DeviceMemory(std::size_t reserved) : reserved_(reserved) {
  void* const mapping =
      mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) violation("no address space for the device's memory");
  base_ = static_cast<unsigned char*>(mapping);
}

DeviceMemory::~DeviceMemory() {
  allow_access(base_, base_ + reserved_);
  munmap(base_, reserved_);
}

bool DeviceMemory::contains(const void* address) const {
  const unsigned char* const at = static_cast<const unsigned char*>(address);
  return at >= base_ && at < base_ + reserved_;
}

/// The next gap that holds `bytes` and a closed page on either side.
unsigned char* DeviceMemory::find_room(std::size_t bytes) {
  const std::size_t needed = bytes + 2 * kPage;
  for (int round = 0; round < 2; ++round) {
    while (cursor_ + needed <= reserved_) {
      unsigned char* const from = base_ + cursor_;
      auto next = allocations_.lower_bound(from);
      if (next != allocations_.begin()) {
        const Allocation& before = std::prev(next)->second;
        unsigned char* const end = before.first_page() + before.page_bytes();
        if (end > from) {
          cursor_ = static_cast<std::size_t>(end - base_);
          continue;
        }
      }
      if (next == allocations_.end() || next->second.first_page() >= from + needed) {
        cursor_ += bytes + kPage;  // the guard above is the next one's guard below
        return from + kPage;
      }
      const Allocation& after = next->second;
      cursor_ = static_cast<std::size_t>(after.first_page() + after.page_bytes() - base_);
    }
    cursor_ = 0;
  }
  return nullptr;
}

void* DeviceMemory::allocate(std::size_t bytes, Allocation::State state) {
  if (bytes > settings().memory - std::min(used_, settings().memory)) return nullptr;
  const std::size_t page_bytes = round_up(bytes, kPage);
  unsigned char* const pages = find_room(page_bytes);
  if (pages == nullptr) return nullptr;
  mprotect(pages, page_bytes, PROT_READ | PROT_WRITE);
  allow_access(pages, pages + page_bytes);
  std::memset(pages, kUnset, page_bytes);
  // Against the closed page above. A GPU aligns to 256 bytes; kernels of the subset need 8.
  const Allocation allocation{
      .start = pages + page_bytes - round_up(bytes, 8), .bytes = bytes, .state = state};
  forbid_access(pages, allocation.start);
  forbid_access(allocation.start + bytes, pages + page_bytes);
  set_protection(allocation, PROT_NONE);
  allocations_.emplace(allocation.start, allocation);
  used_ += bytes;
  return allocation.start;
}

void DeviceMemory::make_live(void* start) {
  Allocation& allocation = allocations_.at(static_cast<unsigned char*>(start));
  if (allocation.state == Allocation::State::kQueued) allocation.state = Allocation::State::kLive;
}

void DeviceMemory::mark_free_queued(void* start) {
  Allocation& allocation = allocations_.at(static_cast<unsigned char*>(start));
  allocation.state = Allocation::State::kFreeQueued;
}

void DeviceMemory::release(void* start) {
  const auto found = allocations_.find(static_cast<unsigned char*>(start));
  Allocation& allocation = found->second;
  if (allocation.is_open) {
    Allocation** link = &first_open_;
    while (*link != &allocation) link = &(*link)->next_open;
    *link = allocation.next_open;
    shut(allocation);
  }
  used_ -= allocation.bytes;
  madvise(allocation.first_page(), allocation.page_bytes(), MADV_DONTNEED);
  forbid_access(allocation.start, allocation.start + allocation.bytes);
  allocations_.erase(found);
}

const Allocation& DeviceMemory::find(const void* start, const char* call) const {
  const auto found = allocations_.find(static_cast<const unsigned char*>(start));
  if (found == allocations_.end()) {
    violation(
        fmt::format("{}: {} is not the start of a device allocation: {}", call, start, describe(start)));
  }
  if (found->second.state == Allocation::State::kFreeQueued) {
    violation(fmt::format("{}: {} was freed by cudaFreeAsync", call, start));
  }
  return found->second;
}

const Allocation* DeviceMemory::allocation_at_or_below(const void* address) const {
  const auto next = allocations_.upper_bound(static_cast<const unsigned char*>(address));
  return next == allocations_.begin() ? nullptr : &std::prev(next)->second;
}

void DeviceMemory::check_range(const void* p, std::size_t bytes, const std::string& what) const {
  if (bytes == 0) return;
  if (!contains(p)) violation(fmt::format("{} is not device memory: {}", what, p));
  const Allocation* const allocation = allocation_at_or_below(p);
  const unsigned char* const at = static_cast<const unsigned char*>(p);
  if (allocation == nullptr || at >= allocation->start + allocation->bytes) {
    violation(fmt::format("{} lies outside every device allocation: {}", what, describe(p)));
  }
  // What runs now was queued before the free.
  if (allocation->state == Allocation::State::kFreeQueued && open_depth_ == 0) {
    violation(fmt::format("{} was freed by cudaFreeAsync", what));
  }
  const std::size_t left = static_cast<std::size_t>(allocation->start + allocation->bytes - at);
  if (bytes > left) {
    violation(
        fmt::format("{} needs {} bytes, its device allocation has {} from there on", what, bytes, left));
  }
}

bool DeviceMemory::open_at(const void* address) {
  if (open_depth_ == 0) return false;
  while (opening_.test_and_set(std::memory_order_acquire)) {
  }
  const unsigned char* const at = static_cast<const unsigned char*>(address);
  const auto next = allocations_.upper_bound(at);
  Allocation* allocation = nullptr;
  if (next != allocations_.end() && next->second.first_page() <= at) {
    allocation = &next->second;  // below its start, in its first page: close() will tell
  } else if (next != allocations_.begin()) {
    Allocation& before = std::prev(next)->second;
    if (at < before.first_page() + before.page_bytes()) allocation = &before;
  }
  const bool allowed = allocation != nullptr && allocation->state != Allocation::State::kQueued;
  // Open already where another thread was faster.
  if (allowed && !allocation->is_open) {
    set_protection(*allocation, PROT_READ | PROT_WRITE);
    allocation->is_open = true;
    allocation->next_open = first_open_;
    first_open_ = allocation;
  }
  opening_.clear(std::memory_order_release);
  return allowed;
}

/// Of one that is open; it is no longer in the list.
void DeviceMemory::shut(Allocation& allocation) {
  const unsigned char* const pages = allocation.first_page();
  const unsigned char* const start = allocation.start;
  const unsigned char* const end = pages + allocation.page_bytes();
  allow_access(pages, end);
  const auto unset = [](unsigned char byte) { return byte == kUnset; };
  const bool intact = std::all_of(pages, start, unset) && std::all_of(start + allocation.bytes, end, unset);
  forbid_access(pages, start);
  forbid_access(start + allocation.bytes, end);
  if (!intact) {
    violation(fmt::format("something was written just outside the device allocation of {} bytes at {}",
                          allocation.bytes, static_cast<const void*>(start)));
  }
  set_protection(allocation, PROT_NONE);
  allocation.is_open = false;
  allocation.next_open = nullptr;
}

void DeviceMemory::close() {
  if (--open_depth_ > 0) return;
  while (first_open_ != nullptr) {
    Allocation& allocation = *first_open_;
    first_open_ = allocation.next_open;
    shut(allocation);
  }
}

std::string DeviceMemory::describe(const void* address) const {
  if (!contains(address)) return "not an address of the device";
  const unsigned char* const at = static_cast<const unsigned char*>(address);
  if (const Allocation* below = allocation_at_or_below(address)) {
    const auto offset = at - below->start;
    if (offset < static_cast<std::ptrdiff_t>(below->bytes)) {
      return fmt::format("byte {} of an allocation of {} bytes{}", offset, below->bytes,
                         below->state == Allocation::State::kQueued
                             ? " that cudaMallocAsync has not made yet in its stream's order"
                             : "");
    }
    if (at < below->first_page() + below->page_bytes() + kPage) {
      return fmt::format("{} bytes past the end of an allocation of {} bytes",
                         offset - static_cast<std::ptrdiff_t>(below->bytes), below->bytes);
    }
  }
  const auto next = allocations_.upper_bound(at);
  if (next != allocations_.end() && at >= next->second.first_page() - kPage) {
    return fmt::format("{} bytes below an allocation of {} bytes", next->first - at, next->second.bytes);
  }
  return "memory that was freed, or never allocated";
}

}  // namespace krigon::host_cuda
