#include "backend/backend.hpp"

#include <utility>

namespace krigon {

Buffer::~Buffer() {
  if (data_ != nullptr) owner_->free_doubles(data_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Buffer Backend::allocate(std::size_t count) {
  if (count == 0) return {};
  return {this, allocate_doubles(count), count};
}

}  // namespace krigon
