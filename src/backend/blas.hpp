#pragma once

#include <cstdint>
#include <string>

#include "backend/backend.hpp"

/// OpenBLAS behind int64 shapes, column-major, always lower triangles. Every call runs on the calling
/// thread alone: threads are Pool's business.
namespace krigon::detail {

/// While it lives, BLAS calls of this thread use this thread only.
class SerialBlas {
 public:
  SerialBlas();
  ~SerialBlas();
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;

 private:
  int before_;
};

void blas_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
               double alpha, const double* a, std::int64_t lda, const double* b, std::int64_t ldb,
               double beta, double* c, std::int64_t ldc);
/// The lower triangle of c := c + a' a (n x n from k x n).
void blas_syrk_transposed_add(std::int64_t n, std::int64_t k, const double* a, std::int64_t lda, double* c,
                              std::int64_t ldc);
/// b := alpha op(L)^-1 b, b m x n, L m x m.
void blas_solve_left(bool transpose, std::int64_t m, std::int64_t n, double alpha, const double* l,
                     std::int64_t ldl, double* b, std::int64_t ldb);
/// x := op(L)^-1 x.
void blas_solve_vector(bool transpose, std::int64_t n, const double* l, std::int64_t ldl, double* x);
double blas_dot(std::int64_t n, const double* x, std::int64_t step_x, const double* y, std::int64_t step_y);
/// LAPACK's info.
std::int64_t lapack_cholesky(std::int64_t n, double* a, std::int64_t lda);

/// Eigenvalues of the symmetric a (lower triangle) into `values`, ascending; a := the eigenvectors, a column
/// each. LAPACK's info.
std::int64_t lapack_eigenvectors(std::int64_t n, double* a, std::int64_t lda, double* values);

/// What was loaded, and what judge_blas says of it.
void describe_blas(BackendInfo& info);
/// Warnings for this way to run in parallel.
void judge_blas(BackendInfo& info);

}  // namespace krigon::detail
