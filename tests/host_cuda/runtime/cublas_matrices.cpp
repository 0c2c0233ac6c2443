// Stand-ins for cuBLAS on OpenBLAS: matrix with matrix.
#include <algorithm>
#include <cstddef>

#include <cublas_v2.h>

#include "tests/host_cuda/runtime/cublas_call.hpp"

using namespace krigon::host_cuda;

namespace {

/// C = alpha op(A) op(B) + beta C for one or many.
struct Gemm {
  cublasOperation_t op_a, op_b;
  int m, n, k, lda, ldb, ldc;
  Scalar alpha, beta;

  int rows_a() const { return op_a == CUBLAS_OP_N ? m : k; }
  int columns_a() const { return op_a == CUBLAS_OP_N ? k : m; }
  int rows_b() const { return op_b == CUBLAS_OP_N ? k : n; }
  int columns_b() const { return op_b == CUBLAS_OP_N ? n : k; }
  void check(ArgumentCheck& check, const double* a, const double* b, const double* c) const {
    check.matrix("A", a, rows_a(), columns_a(), lda);
    check.matrix("B", b, rows_b(), columns_b(), ldb);
    check.matrix("C", c, m, n, ldc);
  }
  void run(const double* a, const double* b, double* c) const {
    cblas_dgemm(CblasColMajor, blas(op_a), blas(op_b), m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
  }
};

/// A triangle times, or inverted times, a matrix.
struct Triangle {
  cublasSideMode_t side;
  cublasFillMode_t uplo;
  cublasOperation_t op;
  cublasDiagType_t diag;
  int m, n, lda, ldb;

  int order() const { return side == CUBLAS_SIDE_LEFT ? m : n; }
  void solve(double alpha, const double* a, double* b) const {
    cblas_dtrsm(CblasColMajor, blas(side), blas(uplo), blas(op), blas(diag), m, n, alpha, a, lda, b, ldb);
  }
  void multiply(double alpha, const double* a, double* b) const {
    cblas_dtrmm(CblasColMajor, blas(side), blas(uplo), blas(op), blas(diag), m, n, alpha, a, lda, b, ldb);
  }
};

/// The pointers of a batch, which lie on the device, with each member checked when the work runs.
template <class Member>
void for_each_member(int batch, Member member) {
  for (int i = 0; i < batch; ++i) member(i);
}

void check_member(const char* call, const char* name, const double* p, int rows, int columns, int leading) {
  ArgumentCheck check(call);
  check.matrix(name, p, rows, columns, leading);
}

}  // namespace

extern "C" {

cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                              int n, int k, const double* alpha, const double* a, int lda, const double* b,
                              int ldb, const double* beta, double* c, int ldc) {
  return cublas("cublasDgemm_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Gemm gemm{op_a,
                    op_b,
                    m,
                    n,
                    k,
                    lda,
                    ldb,
                    ldc,
                    {check, "alpha", alpha, context.pointer_mode},
                    {check, "beta", beta, context.pointer_mode}};
    gemm.check(check, a, b, c);
    return [=] { gemm.run(a, b, c); };
  });
}
cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k, const double* alpha,
                                         const double* a, int lda, long long stride_a, const double* b,
                                         int ldb, long long stride_b, const double* beta, double* c, int ldc,
                                         long long stride_c, int batch) {
  return cublas("cublasDgemmStridedBatched", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Gemm gemm{op_a,
                    op_b,
                    m,
                    n,
                    k,
                    lda,
                    ldb,
                    ldc,
                    {check, "alpha", alpha, context.pointer_mode},
                    {check, "beta", beta, context.pointer_mode}};
    check.require(batch >= 0);
    for (int i = 0; i < batch; ++i) gemm.check(check, a + i * stride_a, b + i * stride_b, c + i * stride_c);
    if (batch > 1 && stride_c < static_cast<long long>(ldc) * (n - 1) + m) {
      violation("cublasDgemmStridedBatched: members of C overlap");
    }
    return [=] {
      for (int i = 0; i < batch; ++i) gemm.run(a + i * stride_a, b + i * stride_b, c + i * stride_c);
    };
  });
}
cublasStatus_t cublasDgemmBatched(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                  int m, int n, int k, const double* alpha, const double* const a[], int lda,
                                  const double* const b[], int ldb, const double* beta, double* const c[],
                                  int ldc, int batch) {
  return cublas("cublasDgemmBatched", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Gemm gemm{op_a,
                    op_b,
                    m,
                    n,
                    k,
                    lda,
                    ldb,
                    ldc,
                    {check, "alpha", alpha, context.pointer_mode},
                    {check, "beta", beta, context.pointer_mode}};
    check.require(batch >= 0 && m >= 0 && n >= 0 && k >= 0 && lda >= std::max(1, gemm.rows_a()) &&
                  ldb >= std::max(1, gemm.rows_b()) && ldc >= std::max(1, m));
    for (const void* array :
         {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(c)}) {
      check.bytes("the array of pointers", array, 8 * static_cast<std::size_t>(std::max(batch, 0)));
    }
    return [=] {
      for_each_member(batch, [&](int i) {
        ArgumentCheck member("cublasDgemmBatched");
        gemm.check(member, a[i], b[i], c[i]);
        gemm.run(a[i], b[i], c[i]);
      });
    };
  });
}
cublasStatus_t cublasDsyrk_v2(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t op, int n,
                              int k, const double* alpha, const double* a, int lda, const double* beta,
                              double* c, int ldc) {
  return cublas("cublasDsyrk_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    check.matrix("A", a, op == CUBLAS_OP_N ? n : k, op == CUBLAS_OP_N ? k : n, lda);
    check.matrix("C", c, n, n, ldc);
    return [=] { cblas_dsyrk(CblasColMajor, blas(uplo), blas(op), n, k, *al, a, lda, *be, c, ldc); };
  });
}
cublasStatus_t cublasDsymm_v2(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, int m,
                              int n, const double* alpha, const double* a, int lda, const double* b, int ldb,
                              const double* beta, double* c, int ldc) {
  return cublas("cublasDsymm_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    const int order = side == CUBLAS_SIDE_LEFT ? m : n;
    check.matrix("A", a, order, order, lda);
    check.matrix("B", b, m, n, ldb);
    check.matrix("C", c, m, n, ldc);
    return
        [=] { cblas_dsymm(CblasColMajor, blas(side), blas(uplo), m, n, *al, a, lda, b, ldb, *be, c, ldc); };
  });
}
cublasStatus_t cublasDtrsm_v2(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                              cublasOperation_t op, cublasDiagType_t diag, int m, int n, const double* alpha,
                              const double* a, int lda, double* b, int ldb) {
  return cublas("cublasDtrsm_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Triangle triangle{side, uplo, op, diag, m, n, lda, ldb};
    check.matrix("A", a, triangle.order(), triangle.order(), lda);
    check.matrix("B", b, m, n, ldb);
    return [=] { triangle.solve(*al, a, b); };
  });
}
cublasStatus_t cublasDtrsmBatched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                                  cublasOperation_t op, cublasDiagType_t diag, int m, int n,
                                  const double* alpha, const double* const a[], int lda, double* const b[],
                                  int ldb, int batch) {
  return cublas("cublasDtrsmBatched", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Triangle triangle{side, uplo, op, diag, m, n, lda, ldb};
    check.require(batch >= 0 && m >= 0 && n >= 0 && lda >= std::max(1, triangle.order()) &&
                  ldb >= std::max(1, m));
    for (const void* array : {static_cast<const void*>(a), static_cast<const void*>(b)}) {
      check.bytes("the array of pointers", array, 8 * static_cast<std::size_t>(std::max(batch, 0)));
    }
    return [=] {
      for_each_member(batch, [&](int i) {
        check_member("cublasDtrsmBatched", "A", a[i], triangle.order(), triangle.order(), lda);
        check_member("cublasDtrsmBatched", "B", b[i], m, n, ldb);
        triangle.solve(*al, a[i], b[i]);
      });
    };
  });
}
/// cuBLAS multiplies out of place, into C, which may be B.
cublasStatus_t cublasDtrmm_v2(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                              cublasOperation_t op, cublasDiagType_t diag, int m, int n, const double* alpha,
                              const double* a, int lda, const double* b, int ldb, double* c, int ldc) {
  return cublas("cublasDtrmm_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Triangle triangle{side, uplo, op, diag, m, n, lda, ldc};
    check.matrix("A", a, triangle.order(), triangle.order(), lda);
    check.matrix("B", b, m, n, ldb);
    check.matrix("C", c, m, n, ldc);
    check.require(b != c || ldb == ldc);
    return [=] {
      if (b != c) {
        for (int j = 0; j < n; ++j) std::copy_n(b + std::ptrdiff_t{j} * ldb, m, c + std::ptrdiff_t{j} * ldc);
      }
      triangle.multiply(*al, a, c);
    };
  });
}
/// C = alpha op(A) + beta op(B); a factor of zero leaves its matrix unread.
cublasStatus_t cublasDgeam(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                           int n, const double* alpha, const double* a, int lda, const double* beta,
                           const double* b, int ldb, double* c, int ldc) {
  return cublas("cublasDgeam", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    const bool plain_a = op_a == CUBLAS_OP_N;
    const bool plain_b = op_b == CUBLAS_OP_N;
    if (a != nullptr) check.matrix("A", a, plain_a ? m : n, plain_a ? n : m, lda);
    if (b != nullptr) check.matrix("B", b, plain_b ? m : n, plain_b ? n : m, ldb);
    check.matrix("C", c, m, n, ldc);
    check.require((c != a || (plain_a && lda == ldc)) && (c != b || (plain_b && ldb == ldc)));
    return [=] {
      const auto term = [](double factor, const double* x, bool plain, int ld, int i, int j) {
        return factor == 0 ? 0
                           : factor * (plain ? x[i + std::ptrdiff_t{j} * ld] : x[j + std::ptrdiff_t{i} * ld]);
      };
      for (int j = 0; j < n; ++j) {
        for (int i = 0; i < m; ++i) {
          c[i + std::ptrdiff_t{j} * ldc] =
              term(*al, a, plain_a, lda, i, j) + term(*be, b, plain_b, ldb, i, j);
        }
      }
    };
  });
}

}  // extern "C"
