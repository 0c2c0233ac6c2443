#pragma once

#include <cstdint>

#include "backend/pool.hpp"
#include "backend/scratch.hpp"
#include "backend/tiles.hpp"

namespace krigon::detail {

/// A symmetric positive definite matrix A of order n, then its Cholesky factor L and L^-T, as stripes: the
/// rows of a register tile, stored column by column, as far as a triangle goes.
///
/// All that a Gaussian process wants of A are products of such rows with such rows:
///   L from A(I, J) - sum_k L(I, k) L(J, k)',  L^-T from I(I, J) - sum_k L^-T(I, k) L(J, k)',
///   A^-1(I, J) = sum_k L^-T(I, k) L^-T(J, k)'
/// and both operands lie in memory as they are read. A library packs them anew in every call, and solves with
/// triangles of 100 at a quarter of a product's speed: at a few hundred points that doubles the time.
///
/// The order of every sum depends on n alone: the same bits on any number of threads. Rows beyond n, up to a
/// multiple of a vector's length, are the identity's.
class Stripes {
 public:
  /// Room for order n; what was held is lost.
  void resize(const Tiles& tiles, std::int64_t n);

  /// Of A or of L: columns first .. first + count - 1 from the diagonal down; row i of the c-th at
  /// a[c * lda + i]. All columns before anything below.
  void set_columns(std::int64_t first, std::int64_t count, const double* a, std::int64_t lda);

  /// A := L. 0; k > 0 where the leading minor of order k is not positive definite; -1 where a pivot is not
  /// finite. What is above the diagonal is not read.
  std::int64_t factorise(Pool& pool);
  /// For columns that are L's already, in place of factorise().
  void take_factor();
  /// Makes L^-T, which what follows reads.
  void invert(Pool& pool);

  /// L(i, i).
  double diagonal(std::int64_t i) const { return lower(i / height_)[i * height_ + i % height_]; }
  /// L's lower triangle into a column-major matrix.
  void copy_factor(double* l, std::int64_t ldl) const;
  /// L^-1(row, column), row >= column; the next row is height() behind.
  const double* inverse_from(std::int64_t row, std::int64_t column) const {
    return upper(column / height_, row) + column % height_;
  }
  std::int64_t height() const { return height_; }

  /// Rows and columns of a block of A^-1.
  std::int64_t block() const;
  /// A^-1's block from (i0, j0) on, i0 >= j0 multiples of block(), into the column-major tile of `ldt` >=
  /// block() rows. On the diagonal, what is above it is undefined.
  void inverse_block(std::int64_t i0, std::int64_t j0, double* tile, std::int64_t ldt) const;

  /// x := L^-1 x; n entries, and as many as padded_rows(n) to be written.
  void solve(double* x) const;
  /// out := L^-T x, the same.
  void multiply_inverse_transposed(const double* x, double* out) const;

 private:
  /// Stripe s of L: column 0.
  double* lower(std::int64_t s) const { return lower_.data() + height_ * height_ * (s * (s + 1) / 2); }
  /// Stripe s of L^-T: column `column`, at least the first of the stripe's rows.
  double* upper(std::int64_t s, std::int64_t column) const {
    const std::int64_t before = s * count_ - s * (s - 1) / 2;
    return upper_.data() + height_ * (height_ * before + column - s * height_);
  }
  /// Doubles of all stripes of L, and of L^-T.
  std::int64_t triangle() const { return height_ * height_ * (count_ * (count_ + 1) / 2); }
  int vectors(std::int64_t s) const;
  void pad_columns();
  std::int64_t factorise_diagonal(std::int64_t begin, std::int64_t end);
  void solve_stripe(std::int64_t s, std::int64_t begin, std::int64_t end);
  void invert_stripe(std::int64_t s, std::int64_t begin, std::int64_t end);

  const Tiles* tiles_ = nullptr;
  std::int64_t n_ = 0;
  std::int64_t padded_ = 0;  ///< n, to a multiple of a vector's length
  std::int64_t width_ = 1;   ///< columns of a register tile: a vector's length
  std::int64_t height_ = 1;  ///< its rows
  std::int64_t count_ = 0;   ///< stripes
  Scratch lower_, upper_;
  Scratch inverse_diagonal_;  ///< of L
};

/// The t-th block (row, column) of a lower triangle of blocks, column by column.
struct BlockIndex {
  std::int64_t row;
  std::int64_t column;
};
BlockIndex lower_block(std::int64_t blocks, std::int64_t t);

}  // namespace krigon::detail
