#include "backend/scratch.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include <sys/mman.h>

namespace krigon::detail {

namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

double* allocate_zeroed(std::size_t count) {
  if (count > (std::numeric_limits<std::size_t>::max() - kHugePage) / sizeof(double)) throw std::bad_alloc();
  // Tiles of a large matrix touch a page with every column: with small pages the search for them costs a
  // tenth of a factorisation and more.
  const std::size_t bytes = std::max<std::size_t>(count, 1) * sizeof(double);
  const std::size_t alignment = bytes < 2 * kHugePage ? kLine : kHugePage;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (data == nullptr) throw std::bad_alloc();
  if (alignment == kHugePage) ::madvise(data, bytes, MADV_HUGEPAGE);  // a wish: without, it is only slower
  std::memset(data, 0, bytes);
  return static_cast<double*>(data);
}

void Scratch::Free::operator()(double* data) const noexcept {
  std::free(data);
}

double* Scratch::need(std::size_t count) {
  if (count > size_) {
    data_.reset();
    size_ = 0;
    data_.reset(allocate_zeroed(count));
    size_ = count;
  }
  return data_.get();
}

}  // namespace krigon::detail
