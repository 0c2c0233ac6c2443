#include "backend/stripes.hpp"

#include <algorithm>
#include <atomic>

namespace krigon::detail {

namespace {

/// Columns that are eliminated together: the products with them read as many rows of L, which stay in the
/// second-level cache. A multiple of every instruction set's stripes, as the next.
constexpr std::int64_t kColumns = 48;
/// Rows and columns of a block of the inverse.
constexpr std::int64_t kBlock = 96;
/// Of a sum, the terms that are taken at a time where there are many: a stripe's stay in the first-level
/// cache.
constexpr std::int64_t kDepth = 256;
/// Stripes that are inverted together, and read L once.
constexpr std::int64_t kTogether = 2;
/// Blocks of the inverse of many points are larger: they are read from further away.
constexpr std::int64_t kManyPoints = 2048;
constexpr std::int64_t kMostRows = kStripeVectors * 8;  ///< of a stripe

}  // namespace

BlockIndex lower_block(std::int64_t blocks, std::int64_t t) {
  std::int64_t column = 0;
  while (t >= blocks - column) {
    t -= blocks - column;
    ++column;
  }
  return {column + t, column};
}

void Stripes::resize(const Tiles& tiles, std::int64_t n) {
  tiles_ = &tiles;
  n_ = n;
  width_ = tiles.lanes;
  height_ = kStripeVectors * width_;
  padded_ = (n + width_ - 1) / width_ * width_;
  count_ = (n + height_ - 1) / height_;
  lower_.need(size_of(triangle()));
  inverse_diagonal_.need(size_of(padded_));
}

int Stripes::vectors(std::int64_t s) const {
  return static_cast<int>(std::min<std::int64_t>(kStripeVectors, (padded_ - s * height_) / width_));
}

void Stripes::set_columns(std::int64_t first, std::int64_t count, const double* a, std::int64_t lda) {
  for (std::int64_t s = first / height_; s < count_; ++s) {
    const std::int64_t top = s * height_;
    const std::int64_t rows = std::min(height_, n_ - top);
    double* stripe = lower(s);
    for (std::int64_t j = first; j < std::min(first + count, top + height_); ++j) {
      const double* column = a + (j - first) * lda;
      const std::int64_t skip = std::max<std::int64_t>(0, j - top);
      double* to = stripe + j * height_;
      std::fill_n(to, skip, 0.0);
      std::copy(column + top + skip, column + top + rows, to + skip);
      std::fill(to + rows, to + height_, 0.0);
    }
  }
}

void Stripes::pad_columns() {
  double* last = lower(count_ - 1);
  const std::int64_t top = (count_ - 1) * height_;
  for (std::int64_t j = n_; j < padded_; ++j) {
    std::fill_n(last + j * height_, height_, 0.0);
    last[j * height_ + j - top] = 1;
  }
}

void Stripes::take_factor() {
  if (n_ == 0) return;
  pad_columns();
  for (std::int64_t i = 0; i < padded_; ++i) inverse_diagonal_.data()[i] = 1 / diagonal(i);
}

std::int64_t Stripes::factorise(Pool& pool) {
  if (n_ == 0) return 0;
  pad_columns();
  std::int64_t info = factorise_diagonal(0, std::min(padded_, kColumns));
  for (std::int64_t begin = 0; info == 0 && begin + kColumns < padded_; begin += kColumns) {
    const std::int64_t end = begin + kColumns;
    const std::int64_t next_end = std::min(padded_, end + kColumns);
    const std::int64_t below = end / height_;
    // The next diagonal block by whoever ends the last of its rows, while others still have the rows below.
    const std::int64_t next_rows = (next_end + height_ - 1) / height_ - below;
    std::atomic<std::int64_t> left{next_rows};
    pool.run(count_ - below, [&](std::int64_t t, int) {
      solve_stripe(below + t, begin, end);
      if (t < next_rows && left.fetch_sub(1) == 1) info = factorise_diagonal(end, next_end);
    });
  }
  return info;
}

std::int64_t Stripes::factorise_diagonal(std::int64_t begin, std::int64_t end) {
  double* inverse = inverse_diagonal_.data();
  for (std::int64_t s = begin / height_; s * height_ < end; ++s) {
    const std::int64_t top = s * height_;
    double* rows = lower(s);
    for (std::int64_t j = begin; j < std::min(end, top + height_); j += width_) {
      double* tile = rows + j * height_;
      if (j >= top) {
        const std::int64_t info = tiles_->stripe_factor(vectors(s), rows, j - top, j, tile, inverse + j);
        if (info != 0) return info < 0 ? info : j + info;
      } else {
        const double* other = lower(j / height_) + j % height_;
        tiles_->stripe_solve(vectors(s), rows, other, j, false, other + j * height_, inverse + j, tile);
      }
    }
  }
  return 0;
}

void Stripes::solve_stripe(std::int64_t s, std::int64_t begin, std::int64_t end) {
  double* rows = lower(s);
  std::int64_t k = 0;
  for (; begin - k >= 2 * kDepth; k += kDepth) {
    for (std::int64_t j = begin; j < end; j += width_) {
      tiles_->stripe_subtract(vectors(s), rows + k * height_, lower(j / height_) + k * height_ + j % height_,
                              kDepth, false, rows + j * height_);
    }
  }
  for (std::int64_t j = begin; j < end; j += width_) {
    const double* other = lower(j / height_) + j % height_;
    tiles_->stripe_solve(vectors(s), rows + k * height_, other + k * height_, j - k, false,
                         other + j * height_, inverse_diagonal_.data() + j, rows + j * height_);
  }
}

void Stripes::invert(Pool& pool) {
  upper_.need(size_of(triangle()));
  // Each row of L^-T by itself: the first have the most to do.
  pool.run((count_ + kTogether - 1) / kTogether, [&](std::int64_t t, int) {
    const std::int64_t first = t * kTogether;
    const std::int64_t last = std::min(count_, first + kTogether);
    for (std::int64_t begin = first * height_ / kColumns * kColumns; begin < padded_; begin += kColumns) {
      const std::int64_t end = std::min(padded_, begin + kColumns);
      for (std::int64_t s = first; s < last && s * height_ < end; ++s) invert_stripe(s, begin, end);
    }
  });
}

void Stripes::invert_stripe(std::int64_t s, std::int64_t begin, std::int64_t end) {
  const std::int64_t top = s * height_;
  double* rows = upper(s, top);
  if (begin <= top) {  // from the identity
    std::fill_n(rows, height_ * height_, 0.0);
    for (std::int64_t r = 0; r < height_; ++r) rows[r * height_ + r] = 1;
  }
  std::int64_t k = top;
  for (; begin - k >= 2 * kDepth; k += kDepth) {
    for (std::int64_t j = begin; j < end; j += width_) {
      tiles_->stripe_subtract(vectors(s), rows + (k - top) * height_,
                              lower(j / height_) + k * height_ + j % height_, kDepth, k == top,
                              rows + (j - top) * height_);
    }
  }
  for (std::int64_t j = std::max(begin, top); j < end; j += width_) {
    const double* other = lower(j / height_) + j % height_;
    tiles_->stripe_solve(vectors(s), rows + (k - top) * height_, other + k * height_, j - k,
                         k == top && j >= top + height_, other + j * height_, inverse_diagonal_.data() + j,
                         rows + (j - top) * height_);
  }
}

void Stripes::copy_factor(double* l, std::int64_t ldl) const {
  for (std::int64_t s = 0; s < count_; ++s) {
    const std::int64_t top = s * height_;
    const std::int64_t rows = std::min(height_, n_ - top);
    const double* stripe = lower(s);
    for (std::int64_t j = 0; j < top + rows; ++j) {
      const std::int64_t skip = std::max<std::int64_t>(0, j - top);
      std::copy(stripe + j * height_ + skip, stripe + j * height_ + rows, l + j * ldl + top + skip);
    }
  }
}

std::int64_t Stripes::block() const {
  return n_ < kManyPoints ? kBlock : 2 * kBlock;
}

void Stripes::inverse_block(std::int64_t i0, std::int64_t j0, double* tile, std::int64_t ldt) const {
  const std::int64_t row_end = std::min(padded_, i0 + block());
  const std::int64_t column_end = std::min(padded_, j0 + block());
  for (std::int64_t k = i0; k < padded_; k += kDepth) {
    const std::int64_t to = std::min(padded_, k + kDepth);
    for (std::int64_t s = i0 / height_; s * height_ < row_end; ++s) {
      const std::int64_t top = s * height_;
      const std::int64_t from = std::max(k, top);
      if (from >= to) break;
      const std::int64_t end = i0 == j0 ? std::min(column_end, top + height_) : column_end;
      for (std::int64_t j = j0; j < end; j += width_) {
        tiles_->stripe_product(vectors(s), upper(s, from), upper(j / height_, from) + j % height_, to - from,
                               from > top, tile + (j - j0) * ldt + top - i0, ldt);
      }
    }
  }
}

void Stripes::solve(double* x) const {
  const double* inverse = inverse_diagonal_.data();
  std::fill(x + n_, x + padded_, 0.0);
  for (std::int64_t s = 0; s < count_; ++s) {
    const std::int64_t top = s * height_;
    const std::int64_t rows = vectors(s) * width_;
    double sum[kMostRows];
    tiles_->stripe_multiply(vectors(s), lower(s), top, x, sum);
    double* own = x + top;
    const double* triangle = lower(s) + top * height_;
    for (std::int64_t r = 0; r < rows; ++r) own[r] -= sum[r];
    for (std::int64_t c = 0; c < rows; ++c) {
      own[c] *= inverse[top + c];
      for (std::int64_t r = c + 1; r < rows; ++r) own[r] -= triangle[c * height_ + r] * own[c];
    }
  }
}

void Stripes::multiply_inverse_transposed(const double* x, double* out) const {
  for (std::int64_t s = 0; s < count_; ++s) {
    const std::int64_t top = s * height_;
    tiles_->stripe_multiply(vectors(s), upper(s, top), padded_ - top, x + top, out + top);
  }
}

}  // namespace krigon::detail
