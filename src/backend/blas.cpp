#include "backend/blas.hpp"

#include <algorithm>
#include <vector>

#include <cblas.h>
#include <omp.h>

extern "C" {
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dsyev_(const char* job, const char* uplo, const int* n, double* a, const int* lda, double* w,
            double* work, const int* size, int* info);
}

namespace krigon::detail {

namespace {
int narrow(std::int64_t value) {
  return static_cast<int>(value);
}
}  // namespace

SerialBlas::SerialBlas() : before_(omp_get_max_threads()) {
  // OpenMP's setting is the thread's own and the openmp build obeys it. The pthread build has one
  // setting for the process, which stays at 1.
  omp_set_num_threads(1);
  if (openblas_get_parallel() == OPENBLAS_THREAD && openblas_get_num_threads() != 1)
    openblas_set_num_threads(1);
}

SerialBlas::~SerialBlas() {
  omp_set_num_threads(before_);
}

void blas_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
               double alpha, const double* a, std::int64_t lda, const double* b, std::int64_t ldb,
               double beta, double* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  cblas_dgemm(CblasColMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              narrow(m), narrow(n), narrow(k), alpha, a, narrow(lda), b, narrow(ldb), beta, c, narrow(ldc));
}

void blas_syrk_transposed_add(std::int64_t n, std::int64_t k, const double* a, std::int64_t lda, double* c,
                              std::int64_t ldc) {
  cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, narrow(n), narrow(k), 1.0, a, narrow(lda), 1.0, c,
              narrow(ldc));
}

void blas_solve_left(bool transpose, std::int64_t m, std::int64_t n, double alpha, const double* l,
                     std::int64_t ldl, double* b, std::int64_t ldb) {
  if (m == 0 || n == 0) return;
  cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, transpose ? CblasTrans : CblasNoTrans, CblasNonUnit,
              narrow(m), narrow(n), alpha, l, narrow(ldl), b, narrow(ldb));
}

void blas_solve_vector(bool transpose, std::int64_t n, const double* l, std::int64_t ldl, double* x) {
  if (n == 0) return;
  cblas_dtrsv(CblasColMajor, CblasLower, transpose ? CblasTrans : CblasNoTrans, CblasNonUnit, narrow(n), l,
              narrow(ldl), x, 1);
}

double blas_dot(std::int64_t n, const double* x, std::int64_t step_x, const double* y, std::int64_t step_y) {
  return cblas_ddot(narrow(n), x, narrow(step_x), y, narrow(step_y));
}

std::int64_t lapack_cholesky(std::int64_t n, double* a, std::int64_t lda) {
  const int order = narrow(n);
  const int leading = narrow(lda);
  int info = 0;
  dpotrf_("L", &order, a, &leading, &info);
  return info;
}

std::int64_t lapack_eigenvectors(std::int64_t n, double* a, std::int64_t lda, double* values) {
  const int order = narrow(n);
  const int leading = narrow(lda);
  const int size = narrow(std::max<std::int64_t>(1, 34 * n));
  std::vector<double> work(static_cast<std::size_t>(size));
  int info = 0;
  dsyev_("V", "L", &order, a, &leading, values, work.data(), &size, &info);
  return info;
}

void describe_blas(BackendInfo& info) {
  info.blas = openblas_get_config();
  info.blas_core = openblas_get_corename();
  const int parallel = openblas_get_parallel();
  info.blas_parallel = parallel == OPENBLAS_OPENMP   ? "openmp"
                       : parallel == OPENBLAS_THREAD ? "pthread"
                                                     : "sequential";
  judge_blas(info);
}

void judge_blas(BackendInfo& info) {
  if (info.blas_parallel == "pthread") {
    info.warnings.emplace_back(
        "OpenBLAS is the pthread build: Krigon sets its threads to 1 for the whole process; install the "
        "openmp build (Debian: libopenblas0-openmp)");
  }
}

}  // namespace krigon::detail
