// Stand-ins for cuBLAS on OpenBLAS: vectors, and matrix with vector.
#include <cstddef>
#include <functional>

#include <cublas_v2.h>

#include "tests/host_cuda/runtime/cublas_call.hpp"

using namespace krigon::host_cuda;

namespace {

/// A reduction's result: for the host, which then waits, or on the device.
cublasStatus_t reduce(const char* call, cublasHandle_t handle, double* result,
                      const std::function<void(ArgumentCheck&)>& checks,
                      const std::function<double()>& value) {
  bool to_host = true;
  const cublasStatus_t status = cublas(call, handle, [&](const cublasContext& context, ArgumentCheck& check) {
    to_host = context.pointer_mode == CUBLAS_POINTER_MODE_HOST;
    checks(check);
    if (!to_host) {
      check.bytes("the result", result, 8);
    } else if (DeviceMemory::instance().contains(result)) {
      violation(fmt::format("{}: the result is on the device, but the pointer mode is host", call));
    }
    return [result, value] { *result = value(); };
  });
  if (status != CUBLAS_STATUS_SUCCESS || !to_host) return status;
  return to_cublas_status(cudaStreamSynchronize(handle->stream));
}

struct MatrixVector {
  cublasOperation_t op;
  int m, n, lda, incx, incy;

  int length_x() const { return op == CUBLAS_OP_N ? n : m; }
  int length_y() const { return op == CUBLAS_OP_N ? m : n; }
  void check(ArgumentCheck& check, const double* a, const double* x, const double* y) const {
    check.matrix("A", a, m, n, lda);
    check.vector("x", x, length_x(), incx);
    check.vector("y", y, length_y(), incy);
  }
  void run(double alpha, const double* a, const double* x, double beta, double* y) const {
    cblas_dgemv(CblasColMajor, blas(op), m, n, alpha, a, lda, x, incx, beta, y, incy);
  }
};

}  // namespace

extern "C" {

cublasStatus_t cublasDdot_v2(cublasHandle_t handle, int n, const double* x, int incx, const double* y,
                             int incy, double* result) {
  return reduce(
      "cublasDdot_v2", handle, result,
      [=](ArgumentCheck& check) {
        check.vector("x", x, n, incx);
        check.vector("y", y, n, incy);
      },
      [=] { return cblas_ddot(n, x, incx, y, incy); });
}
cublasStatus_t cublasDnrm2_v2(cublasHandle_t handle, int n, const double* x, int incx, double* result) {
  return reduce(
      "cublasDnrm2_v2", handle, result, [=](ArgumentCheck& check) { check.vector("x", x, n, incx); },
      [=] { return cblas_dnrm2(n, x, incx); });
}
cublasStatus_t cublasDscal_v2(cublasHandle_t handle, int n, const double* alpha, double* x, int incx) {
  return cublas("cublasDscal_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    check.vector("x", x, n, incx);
    return [=] { cblas_dscal(n, *al, x, incx); };
  });
}
cublasStatus_t cublasDaxpy_v2(cublasHandle_t handle, int n, const double* alpha, const double* x, int incx,
                              double* y, int incy) {
  return cublas("cublasDaxpy_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    check.vector("x", x, n, incx);
    check.vector("y", y, n, incy);
    return [=] { cblas_daxpy(n, *al, x, incx, y, incy); };
  });
}
cublasStatus_t cublasDcopy_v2(cublasHandle_t handle, int n, const double* x, int incx, double* y, int incy) {
  return cublas("cublasDcopy_v2", handle, [&](const cublasContext&, ArgumentCheck& check) {
    check.vector("x", x, n, incx);
    check.vector("y", y, n, incy);
    return [=] { cblas_dcopy(n, x, incx, y, incy); };
  });
}
cublasStatus_t cublasDgemv_v2(cublasHandle_t handle, cublasOperation_t op, int m, int n, const double* alpha,
                              const double* a, int lda, const double* x, int incx, const double* beta,
                              double* y, int incy) {
  return cublas("cublasDgemv_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    const MatrixVector product{op, m, n, lda, incx, incy};
    product.check(check, a, x, y);
    return [=] { product.run(*al, a, x, *be, y); };
  });
}
cublasStatus_t cublasDgemvStridedBatched(cublasHandle_t handle, cublasOperation_t op, int m, int n,
                                         const double* alpha, const double* a, int lda, long long stride_a,
                                         const double* x, int incx, long long stride_x, const double* beta,
                                         double* y, int incy, long long stride_y, int batch) {
  return cublas("cublasDgemvStridedBatched", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    const MatrixVector product{op, m, n, lda, incx, incy};
    check.require(batch >= 0);
    for (int i = 0; i < batch; ++i)
      product.check(check, a + i * stride_a, x + i * stride_x, y + i * stride_y);
    return [=] {
      for (int i = 0; i < batch; ++i)
        product.run(*al, a + i * stride_a, x + i * stride_x, *be, y + i * stride_y);
    };
  });
}
cublasStatus_t cublasDsymv_v2(cublasHandle_t handle, cublasFillMode_t uplo, int n, const double* alpha,
                              const double* a, int lda, const double* x, int incx, const double* beta,
                              double* y, int incy) {
  return cublas("cublasDsymv_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    const Scalar be(check, "beta", beta, context.pointer_mode);
    check.matrix("A", a, n, n, lda);
    check.vector("x", x, n, incx);
    check.vector("y", y, n, incy);
    return [=] { cblas_dsymv(CblasColMajor, blas(uplo), n, *al, a, lda, x, incx, *be, y, incy); };
  });
}
cublasStatus_t cublasDtrsv_v2(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t op,
                              cublasDiagType_t diag, int n, const double* a, int lda, double* x, int incx) {
  return cublas("cublasDtrsv_v2", handle, [&](const cublasContext&, ArgumentCheck& check) {
    check.matrix("A", a, n, n, lda);
    check.vector("x", x, n, incx);
    return [=] { cblas_dtrsv(CblasColMajor, blas(uplo), blas(op), blas(diag), n, a, lda, x, incx); };
  });
}
cublasStatus_t cublasDtrmv_v2(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t op,
                              cublasDiagType_t diag, int n, const double* a, int lda, double* x, int incx) {
  return cublas("cublasDtrmv_v2", handle, [&](const cublasContext&, ArgumentCheck& check) {
    check.matrix("A", a, n, n, lda);
    check.vector("x", x, n, incx);
    return [=] { cblas_dtrmv(CblasColMajor, blas(uplo), blas(op), blas(diag), n, a, lda, x, incx); };
  });
}
cublasStatus_t cublasDger_v2(cublasHandle_t handle, int m, int n, const double* alpha, const double* x,
                             int incx, const double* y, int incy, double* a, int lda) {
  return cublas("cublasDger_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    check.vector("x", x, m, incx);
    check.vector("y", y, n, incy);
    check.matrix("A", a, m, n, lda);
    return [=] { cblas_dger(CblasColMajor, m, n, *al, x, incx, y, incy, a, lda); };
  });
}
cublasStatus_t cublasDsyr_v2(cublasHandle_t handle, cublasFillMode_t uplo, int n, const double* alpha,
                             const double* x, int incx, double* a, int lda) {
  return cublas("cublasDsyr_v2", handle, [&](const cublasContext& context, ArgumentCheck& check) {
    const Scalar al(check, "alpha", alpha, context.pointer_mode);
    check.vector("x", x, n, incx);
    check.matrix("A", a, n, n, lda);
    return [=] { cblas_dsyr(CblasColMajor, blas(uplo), n, *al, x, incx, a, lda); };
  });
}

}  // extern "C"
