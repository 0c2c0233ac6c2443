// No include guard: compiled once per instruction set, with
//   KRIGON_TILES_NAME       the function that hands out the table
//   KRIGON_TILES_LABEL      its name as a string
//   KRIGON_VECTOR_BYTES     the width of a vector
//   KRIGON_PANEL_COLUMNS    columns of the panel kernel: 2 vectors each must fit in the registers
// Nothing of the standard library may be called here: an inline function of it, compiled for this
// instruction set, could be linked into the rest of the program.

#include "backend/tiles.hpp"
#include "kernels/matern52.hpp"

// Keeps the panel kernel's sums in registers; clang unrolls by itself.
#if defined(__clang__)
#define KRIGON_UNROLL
#else
#define KRIGON_UNROLL _Pragma("GCC unroll 16")
#endif

namespace krigon::detail {
namespace {

using Vector = double __attribute__((vector_size(KRIGON_VECTOR_BYTES)));
using LooseVector = double __attribute__((vector_size(KRIGON_VECTOR_BYTES), aligned(8), may_alias));

constexpr std::int64_t kLanes = KRIGON_VECTOR_BYTES / 8;
constexpr std::int64_t kTileRows = 2 * kLanes;
constexpr int kTileColumns = 4;

inline Vector load(const double* p) {
  return *reinterpret_cast<const LooseVector*>(p);
}
inline void store(double* p, Vector v) {
  *reinterpret_cast<LooseVector*>(p) = v;
}

/// Squared distances of a register tile, 2 vectors by 4 columns. Columns from `columns` on repeat the last.
void distance_tile(std::int64_t dims, const double* x, std::int64_t ldx, const double* const z[kTileColumns],
                   Vector sum[2][kTileColumns]) {
  for (int q = 0; q < kTileColumns; ++q) sum[0][q] = sum[1][q] = Vector{};
  Vector s00 = sum[0][0], s01 = s00, s02 = s00, s03 = s00, s10 = s00, s11 = s00, s12 = s00, s13 = s00;
  for (std::int64_t k = 0; k < dims; ++k) {
    const Vector x0 = load(x + k * ldx);
    const Vector x1 = load(x + k * ldx + kLanes);
    Vector a = x0 - z[0][k], b = x1 - z[0][k];
    s00 += a * a;
    s10 += b * b;
    a = x0 - z[1][k], b = x1 - z[1][k];
    s01 += a * a;
    s11 += b * b;
    a = x0 - z[2][k], b = x1 - z[2][k];
    s02 += a * a;
    s12 += b * b;
    a = x0 - z[3][k], b = x1 - z[3][k];
    s03 += a * a;
    s13 += b * b;
  }
  sum[0][0] = s00, sum[0][1] = s01, sum[0][2] = s02, sum[0][3] = s03;
  sum[1][0] = s10, sum[1][1] = s11, sum[1][2] = s12, sum[1][3] = s13;
}

void gram(std::int64_t n, std::int64_t m, std::int64_t dims, const double* x, std::int64_t ldx,
          const double* z, std::int64_t ldz, double signal, double* k, std::int64_t ldk, double* weight,
          std::int64_t ldw, bool lower, std::int64_t diagonal) {
  for (std::int64_t j = 0; j < m; j += kTileColumns) {
    const int columns = static_cast<int>(m - j < kTileColumns ? m - j : kTileColumns);
    const double* points[kTileColumns];
    for (int q = 0; q < kTileColumns; ++q) points[q] = z + (j + (q < columns ? q : columns - 1)) * ldz;
    const std::int64_t first = lower ? (diagonal + j) / kTileRows * kTileRows : 0;
    for (std::int64_t i = first; i < n; i += kTileRows) {
      Vector sum[2][kTileColumns];
      distance_tile(dims, x + i, ldx, points, sum);
      for (int q = 0; q < columns; ++q) {
        store(k + (j + q) * ldk + i, sum[0][q]);
        store(k + (j + q) * ldk + i + kLanes, sum[1][q]);
      }
    }
    // The covariance in a second sweep: the columns are still in the first-level cache.
    const std::int64_t end = (n + kTileRows - 1) / kTileRows * kTileRows;
    for (int q = 0; q < columns; ++q) {
      double* kq = k + (j + q) * ldk;
      if (weight == nullptr) {
#pragma omp simd
        for (std::int64_t i = first; i < end; ++i) kq[i] = signal * matern52(kq[i]).value;
      } else {
        double* wq = weight + (j + q) * ldw;
#pragma omp simd
        for (std::int64_t i = first; i < end; ++i) {
          const Matern52 both = matern52(kq[i]);
          kq[i] = signal * both.value;
          wq[i] = signal * both.weight;
        }
      }
    }
  }
}

template <int Columns>
inline void panel_kernel(const double* panel, std::int64_t length, const double* x, std::int64_t ldx,
                         double* out, std::int64_t ldo) {
  Vector low[Columns] = {};
  Vector high[Columns] = {};
  for (std::int64_t i = 0; i < length; ++i) {
    const Vector a = load(panel + i * kTileRows);
    const Vector b = load(panel + i * kTileRows + kLanes);
    KRIGON_UNROLL
    for (int q = 0; q < Columns; ++q) {
      const double value = x[q * ldx + i];
      low[q] += a * value;
      high[q] += b * value;
    }
  }
  KRIGON_UNROLL
  for (int q = 0; q < Columns; ++q) {
    store(out + q * ldo, low[q]);
    store(out + q * ldo + kLanes, high[q]);
  }
}

template <int Columns>
inline void panel_rest(std::int64_t columns, const double* panel, std::int64_t length, const double* x,
                       std::int64_t ldx, double* out, std::int64_t ldo) {
  if constexpr (Columns > 0) {
    if (columns == Columns) {
      panel_kernel<Columns>(panel, length, x, ldx, out, ldo);
    } else {
      panel_rest<Columns - 1>(columns, panel, length, x, ldx, out, ldo);
    }
  }
}

void panel_multiply(const double* panel, std::int64_t length, const double* x, std::int64_t ldx,
                    std::int64_t columns, double* out, std::int64_t ldo) {
  constexpr int kColumns = KRIGON_PANEL_COLUMNS;
  std::int64_t q = 0;
  for (; q + kColumns <= columns; q += kColumns) {
    panel_kernel<kColumns>(panel, length, x + q * ldx, ldx, out + q * ldo, ldo);
  }
  panel_rest<kColumns - 1>(columns - q, panel, length, x + q * ldx, ldx, out + q * ldo, ldo);
}

void moments(std::int64_t n, const double* k, const double* alpha, const double* v, double* mean,
             double* square) {
  double sum = 0;
  double squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (std::int64_t i = 0; i < n; ++i) {
    sum += k[i] * alpha[i];
    squares += v[i] * v[i];
  }
  *mean = sum;
  *square = squares;
}

void pull_back(std::int64_t n, std::int64_t dims, double a, double b, const double* alpha, const double* v,
               const double* weight, const double* x, std::int64_t ldx, const double* z, const double* scale,
               double* g, double* dx) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) g[i] = weight[i] * (a * alpha[i] + b * v[i]);
  for (std::int64_t k = 0; k < dims; ++k) {
    const double* xk = x + k * ldx;
    const double zk = z[k];
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) sum += (xk[i] - zk) * g[i];
    dx[k] = sum * scale[k];
  }
}

void gradient_tile(std::int64_t rows, std::int64_t columns, bool diagonal, const double* alpha_rows,
                   const double* alpha_columns, const double* weight, std::int64_t ldw, double* inverse,
                   std::int64_t ldi, double* row_sum, double* column_sum) {
  for (std::int64_t i = 0; i < rows; ++i) row_sum[i] = 0;
  for (std::int64_t j = 0; j < columns; ++j) {
    double* m = inverse + j * ldi;
    const double* w = weight + j * ldw;
    const double aj = alpha_columns[j];
    const std::int64_t first = diagonal ? j + 1 : 0;
    for (std::int64_t i = 0; i < first; ++i) m[i] = 0;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = first; i < rows; ++i) {
      const double value = (alpha_rows[i] * aj - m[i]) * w[i];
      m[i] = value;
      row_sum[i] += value;
      sum += value;
    }
    column_sum[j] = sum;
  }
}

double weighted_square(std::int64_t n, const double* x, const double* s, const double* p) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * (x[i] * s[i] - 2.0 * p[i]);
  return sum;
}

}  // namespace

const Tiles& KRIGON_TILES_NAME() {
  static constexpr Tiles kTable{KRIGON_TILES_LABEL,
                                static_cast<int>(kTileRows),
                                gram,
                                panel_multiply,
                                moments,
                                pull_back,
                                gradient_tile,
                                weighted_square};
  return kTable;
}

}  // namespace krigon::detail
