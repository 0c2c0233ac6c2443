#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "tests/host_cuda/runtime/guarded_buffer.hpp"

namespace krigon::host_cuda {

/// The shared memory of one block: unset at the block's start, guarded, and held to the device's limits.
class SharedMemory {
 public:
  /// Before the blocks of a launch, with its dynamic bytes.
  void begin_launch(std::size_t dynamic_bytes);
  void begin_block();
  void end_block();  ///< ends the process if something was written below an array's start

  /// The array that `key` stands for in this launch's kernel.
  void* array(const void* key, std::size_t bytes, std::size_t alignment, const char* name);
  void* dynamic();

 private:
  std::map<const void*, std::unique_ptr<GuardedBuffer>> arrays_;          ///< of every kernel that ran
  std::map<std::size_t, std::unique_ptr<GuardedBuffer>> dynamic_arrays_;  ///< by size
  std::vector<GuardedBuffer*> used_;                                      ///< by this launch
  GuardedBuffer* dynamic_ = nullptr;
  std::size_t static_bytes_ = 0;
};

}  // namespace krigon::host_cuda
