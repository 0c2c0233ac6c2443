#include "tests/host_cuda/runtime/shared_memory.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tests/host_cuda/executor.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

namespace krigon::host_cuda {

void SharedMemory::begin_launch(std::size_t dynamic_bytes) {
  used_.clear();
  static_bytes_ = 0;
  dynamic_ = nullptr;
  if (dynamic_bytes == 0) return;
  auto& buffer = dynamic_arrays_[dynamic_bytes];
  if (!buffer) buffer = std::make_unique<GuardedBuffer>(dynamic_bytes, 8, "dynamic");
  dynamic_ = buffer.get();
  used_.push_back(dynamic_);
}

void SharedMemory::begin_block() {
  for (GuardedBuffer* buffer : used_) buffer->fill_unset();
}

void SharedMemory::end_block() {
  for (const GuardedBuffer* buffer : used_) buffer->check();
}

void* SharedMemory::array(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  auto& buffer = arrays_[key];
  if (!buffer) buffer = std::make_unique<GuardedBuffer>(bytes, alignment, name);
  if (std::find(used_.begin(), used_.end(), buffer.get()) == used_.end()) {
    buffer->fill_unset();
    used_.push_back(buffer.get());
    static_bytes_ += bytes;
    if (static_bytes_ > kStaticSharedLimit) {
      violation(fmt::format(
          "a kernel declares {} bytes of static shared memory, more than the {} that a block may have",
          static_bytes_, kStaticSharedLimit));
    }
    if (static_bytes_ + (dynamic_ == nullptr ? 0 : dynamic_->size()) > kSharedLimit) {
      violation(
          fmt::format("a block's static and dynamic shared memory exceed {} bytes together", kSharedLimit));
    }
  }
  return buffer->data();
}

void* SharedMemory::dynamic() {
  if (dynamic_ == nullptr) violation("a kernel uses dynamic shared memory, but its launch asked for none");
  return dynamic_->data();
}

}  // namespace krigon::host_cuda
