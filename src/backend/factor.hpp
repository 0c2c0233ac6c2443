#pragma once

#include <cstdint>

#include "backend/pool.hpp"

/// Factorisations by blocks, the blocks' BLAS calls on one thread each and shared out by Pool. The
/// blocks depend on n alone, so the result is the same bit for bit on any number of threads.
/// Callers hold a SerialBlas.
namespace krigon::detail {

/// Rows and columns of a block.
std::int64_t factor_block(std::int64_t n);

/// The lower triangle of a := L, a = L L' (only the lower triangle is read; above the diagonal,
/// diagonal blocks keep what they held). 0; k > 0 where the leading minor of order k is not positive
/// definite; -1 where the factor is not finite.
std::int64_t cholesky(Pool& pool, std::int64_t n, double* a, std::int64_t lda);

/// x := L^-1, n x n, zero above the diagonal; l and x must not overlap.
void lower_inverse(Pool& pool, std::int64_t n, const double* l, std::int64_t ldl, double* x,
                   std::int64_t ldx);

/// The lower triangle of l := l^-1, with `panel` (n x factor_block(n)) as work space. More waiting than
/// lower_inverse(), for sizes where a second matrix has no room. Above the diagonal, diagonal blocks become
/// zero and the rest keeps what it held.
void lower_inverse_in_place(Pool& pool, std::int64_t n, double* l, std::int64_t ld, double* panel);

/// The tile (x' x)(i0 .. i0+rows-1, j0 .. j0+columns-1), i0 >= j0, of an inverse from x = L^-1;
/// of a tile on the diagonal (i0 == j0, rows == columns) only the lower triangle.
void inverse_tile(std::int64_t n, const double* x, std::int64_t ldx, std::int64_t i0, std::int64_t rows,
                  std::int64_t j0, std::int64_t columns, double* tile, std::int64_t ldt);

/// The t-th block (row, column) of a lower triangle of blocks, column by column.
struct BlockIndex {
  std::int64_t row;
  std::int64_t column;
};
BlockIndex lower_block(std::int64_t blocks, std::int64_t t);

}  // namespace krigon::detail
