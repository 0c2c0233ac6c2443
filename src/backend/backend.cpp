#include "backend/backend.hpp"

#include <algorithm>
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

std::int64_t Backend::candidates_at_a_time(const ResidentPosterior& model) const {
  constexpr std::int64_t kDoubles = std::int64_t{1} << 26;  // half a gigabyte
  return std::max<std::int64_t>(256, kDoubles / std::max<std::int64_t>(1, 2 * model.n));
}

}  // namespace krigon
