#include "backend/factor.hpp"

#include <algorithm>
#include <cmath>

#include "backend/blas.hpp"

namespace krigon::detail {

std::int64_t factor_block(std::int64_t n) {
  if (n <= 160) return std::max<std::int64_t>(n, 1);
  return n <= 2048 ? 128 : 192;
}

BlockIndex lower_block(std::int64_t blocks, std::int64_t t) {
  std::int64_t column = 0;
  while (t >= blocks - column) {
    t -= blocks - column;
    ++column;
  }
  return {column + t, column};
}

std::int64_t cholesky(Pool& pool, std::int64_t n, double* a, std::int64_t lda) {
  const std::int64_t block = factor_block(n);
  for (std::int64_t k = 0; k < n; k += block) {
    const std::int64_t width = std::min(block, n - k);
    double* diagonal = a + k * lda + k;
    const std::int64_t info = lapack_cholesky(width, diagonal, lda);
    if (info > 0) return k + info;
    // OpenBLAS lets a NaN through: its test for a positive pivot is false for it.
    for (std::int64_t i = 0; i < width; ++i) {
      if (!std::isfinite(diagonal[i * lda + i])) return -1;
    }
    const std::int64_t rest = n - k - width;
    if (rest == 0) break;
    const std::int64_t blocks = (rest + block - 1) / block;
    double* panel = diagonal + width;
    pool.run(blocks, [&](std::int64_t t, int) {
      const std::int64_t i = t * block;
      blas_solve_right_transposed(std::min(block, rest - i), width, diagonal, lda, panel + i, lda);
    });
    double* trailing = diagonal + width * lda + width;
    pool.run(blocks * (blocks + 1) / 2, [&](std::int64_t t, int) {
      const auto [row, column] = lower_block(blocks, t);
      const std::int64_t i = row * block;
      const std::int64_t j = column * block;
      const std::int64_t rows = std::min(block, rest - i);
      if (row == column) {
        blas_syrk_subtract(rows, width, panel + i, lda, trailing + j * lda + i, lda);
      } else {
        blas_gemm(false, true, rows, block, width, -1.0, panel + i, lda, panel + j, lda, 1.0,
                  trailing + j * lda + i, lda);
      }
    });
  }
  return 0;
}

namespace {

/// l := l^-1 by halves: OpenBLAS's own is a third as fast at these sizes.
void invert_block(std::int64_t n, double* l, std::int64_t ld) {
  if (n <= 32) return lapack_lower_inverse(n, l, ld);
  const std::int64_t half = (n / 2 + 15) / 16 * 16;
  double* below = l + half;
  double* last = l + half * ld + half;
  invert_block(half, l, ld);
  invert_block(n - half, last, ld);
  blas_multiply_triangle(true, n - half, half, 1.0, l, ld, below, ld);
  blas_multiply_triangle(false, n - half, half, -1.0, last, ld, below, ld);
}

}  // namespace

void lower_inverse(Pool& pool, std::int64_t n, const double* l, std::int64_t ldl, double* x,
                   std::int64_t ldx) {
  const std::int64_t block = factor_block(n);
  const std::int64_t blocks = (n + block - 1) / block;
  // Column by column of blocks: x_jj = l_jj^-1, then x_ij = -l_ii^-1 sum_{j <= k < i} l_ik x_kj.
  pool.run(blocks, [&](std::int64_t t, int) {
    const std::int64_t j = t * block;
    const std::int64_t columns = std::min(block, n - j);
    for (std::int64_t c = j; c < j + columns; ++c) {
      std::fill(x + c * ldx, x + c * ldx + c, 0.0);
      std::copy(l + c * ldl + c, l + c * ldl + j + columns, x + c * ldx + c);
    }
    invert_block(columns, x + j * ldx + j, ldx);
    for (std::int64_t i = j + columns; i < n; i += block) {
      const std::int64_t rows = std::min(block, n - i);
      double* out = x + j * ldx + i;
      for (std::int64_t c = 0; c < columns; ++c) std::copy_n(l + (j + c) * ldl + i, rows, out + c * ldx);
      blas_multiply_triangle(true, rows, columns, 1.0, x + j * ldx + j, ldx, out, ldx);
      if (i > j + columns) {
        blas_gemm(false, false, rows, columns, i - j - columns, 1.0, l + (j + columns) * ldl + i, ldl,
                  x + j * ldx + j + columns, ldx, 1.0, out, ldx);
      }
      blas_solve_left(false, rows, columns, -1.0, l + i * ldl + i, ldl, x + j * ldx + i, ldx);
    }
  });
}

void lower_inverse_in_place(Pool& pool, std::int64_t n, double* l, std::int64_t ld, double* panel) {
  const std::int64_t block = factor_block(n);
  // From the last column of blocks to the first: x_ij = -(sum_{j < k <= i} x_ik l_kj) l_jj^-1.
  for (std::int64_t j = (n - 1) / block * block; j >= 0; j -= block) {
    const std::int64_t columns = std::min(block, n - j);
    const std::int64_t next = j + columns;
    double* diagonal = l + j * ld + j;
    for (std::int64_t c = 1; c < columns; ++c) std::fill_n(diagonal + c * ld, c, 0.0);
    invert_block(columns, diagonal, ld);
    const std::int64_t below = n - next;
    if (below == 0) continue;
    const std::int64_t tasks = (below + block - 1) / block;
    pool.run(tasks, [&](std::int64_t t, int) {
      const std::int64_t i = t * block;
      const std::int64_t rows = std::min(block, below - i);
      for (std::int64_t c = 0; c < columns; ++c) {
        std::copy_n(l + (j + c) * ld + next + i, rows, panel + c * below + i);
      }
      blas_multiply_triangle(true, rows, columns, -1.0, diagonal, ld, panel + i, below);
    });
    pool.run(tasks, [&](std::int64_t t, int) {
      const std::int64_t i = (tasks - 1 - t) * block;  // the longest first
      const std::int64_t rows = std::min(block, below - i);
      double* out = l + j * ld + next + i;
      const double* x = l + next * ld + next;
      for (std::int64_t c = 0; c < columns; ++c) std::copy_n(panel + c * below + i, rows, out + c * ld);
      blas_multiply_triangle(false, rows, columns, 1.0, x + i * ld + i, ld, out, ld);
      blas_gemm(false, false, rows, columns, i, 1.0, x + i, ld, panel, below, 1.0, out, ld);
    });
  }
}

void inverse_tile(std::int64_t n, const double* x, std::int64_t ldx, std::int64_t i0, std::int64_t rows,
                  std::int64_t j0, std::int64_t columns, double* tile, std::int64_t ldt) {
  if (i0 != j0) {
    const double* own = x + i0 * ldx + i0;
    const double* other = x + j0 * ldx + i0;
    for (std::int64_t c = 0; c < columns; ++c) std::copy_n(other + c * ldx, rows, tile + c * ldt);
    blas_multiply_triangle_transposed(rows, columns, own, ldx, tile, ldt);
    if (n > i0 + rows) {
      blas_gemm(true, false, rows, columns, n - i0 - rows, 1.0, own + rows, ldx, other + rows, ldx, 1.0, tile,
                ldt);
    }
    return;
  }
  const double* diagonal = x + i0 * ldx + i0;
  for (std::int64_t c = 0; c < columns; ++c)
    std::copy(diagonal + c * ldx + c, diagonal + c * ldx + rows, tile + c * ldt + c);
  lapack_lower_square(rows, tile, ldt);
  const std::int64_t rest = n - i0 - rows;
  if (rest > 0) blas_syrk_transposed_add(rows, rest, diagonal + rows, ldx, tile, ldt);
}

}  // namespace krigon::detail
