#pragma once

#include <cstddef>

namespace krigon {

/// Doubles resident on a backend; frees them when it goes. Move-only. Must not outlive its backend.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  double* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  friend class Backend;
  Buffer(class Backend* owner, double* data, std::size_t size) : owner_(owner), data_(data), size_(size) {}

  class Backend* owner_ = nullptr;
  double* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace krigon
