#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <source_location>
#include <string>

/// The device's memory: one reservation of addresses, closed to the host. Allocations lie between closed
/// pages, hold NaN at first, and may be touched only while device work runs (DeviceAccess): the first touch
/// faults, and the fault's handler opens the allocation, so that what is not touched costs nothing. Freed
/// ones stay closed, and their addresses are used again only when the reservation has gone round.
namespace krigon::host_cuda {

struct Allocation {
  enum class State {
    kQueued,  ///< cudaMallocAsync whose turn in its stream has not come
    kLive,
    kFreeQueued,  ///< cudaFreeAsync is queued: live still, no longer to be named in calls
  };
  unsigned char* start = nullptr;
  std::size_t bytes = 0;
  State state = State::kLive;
  bool is_open = false;
  Allocation* next_open = nullptr;  ///< of the list of those that are

  unsigned char* first_page() const;
  std::size_t page_bytes() const;
};

class DeviceMemory {
 public:
  static DeviceMemory& instance();

  /// Reserves addresses for so many bytes, guards included.
  explicit DeviceMemory(std::size_t reserved);
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  /// A live or queued allocation; null if the device has not as many bytes left.
  void* allocate(std::size_t bytes, Allocation::State state);
  void make_live(void* start);  ///< a queued one's turn has come
  void mark_free_queued(void* start);
  void release(void* start);
  /// The allocation that begins at `start`; ends the process if there is none. `call` names the caller.
  const Allocation& find(const void* start, const char* call) const;

  /// Whether the address belongs to the device, allocated or not.
  bool contains(const void* address) const;
  /// Ends the process unless [p, p + bytes) lies in one allocation. `what` names the argument.
  void check_range(const void* p, std::size_t bytes, const std::string& what) const;

  std::size_t used() const { return used_; }
  std::size_t live_allocations() const { return allocations_.size(); }

  bool is_open() const { return open_depth_ > 0; }
  void open() { ++open_depth_; }
  void close();  ///< also checks that nothing was written just outside an allocation that was touched
  /// For the fault's handler, in any thread: opens the allocation at the address. False where there is none,
  /// or none that device work may touch now. Allocates nothing.
  bool open_at(const void* address);

  /// What lies at the address, in words, for messages.
  std::string describe(const void* address) const;

 private:
  unsigned char* find_room(std::size_t bytes);
  void shut(Allocation& allocation);
  const Allocation* allocation_at_or_below(const void* address) const;

  unsigned char* base_ = nullptr;
  std::size_t reserved_;
  std::size_t cursor_ = 0;
  std::size_t used_ = 0;
  int open_depth_ = 0;
  std::map<const unsigned char*, Allocation> allocations_;
  Allocation* first_open_ = nullptr;
  std::atomic_flag opening_;  ///< a device's libraries touch memory from several threads
};

/// Device memory is open while one of these lives.
class DeviceAccess {
 public:
  DeviceAccess() { DeviceMemory::instance().open(); }
  ~DeviceAccess() { DeviceMemory::instance().close(); }
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace krigon::host_cuda
