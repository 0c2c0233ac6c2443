#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace krigon::detail {

/// Shapes are signed, containers' sizes are not.
constexpr std::size_t size_of(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

/// Zeros, aligned for vectors, to be given to free(). Throws std::bad_alloc.
double* allocate_zeroed(std::size_t count);

/// Memory aligned for vectors that only grows. Zero-filled when it does, what it held lost.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() = default;
  Scratch(Scratch&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  double* need(std::size_t count);
  std::size_t size() const { return size_; }
  double* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(double* data) const noexcept;
  };
  std::unique_ptr<double[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace krigon::detail
