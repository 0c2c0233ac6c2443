// cuBLAS's and cuSOLVER's stand-ins against sums written out, with leading dimensions that leave gaps, in
// both pointer modes, and against wrong arguments.
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host_cuda/control.hpp"
#include "tests/host_cuda/device_array.hpp"

namespace krigon::host_cuda {
namespace {

using testing::Each;
using testing::ElementsAre;

/// A column-major matrix with three rows of gap below, for host and device.
struct Matrix {
  int rows, columns, ld;
  std::vector<double> host;

  Matrix(int r, int c, const std::function<double(int, int)>& value) : rows(r), columns(c), ld(r + 3) {
    host.assign(static_cast<std::size_t>(ld * c), -77.0);
    for (int j = 0; j < c; ++j) {
      for (int i = 0; i < r; ++i) at(i, j) = value(i, j);
    }
  }
  double& at(int i, int j) { return host[static_cast<std::size_t>(j * ld + i)]; }
  double at(int i, int j) const { return host[static_cast<std::size_t>(j * ld + i)]; }
};
double some(int i, int j) {
  return std::sin(1.0 + i + 10.0 * j);
}
Matrix general(int r, int c) {
  return {r, c, some};
}
/// A triangle well away from singular; NaN on the other side, which nothing may read.
Matrix lower(int n) {
  return {n, n, [](int i, int j) { return i < j ? std::nan("") : i == j ? 2.0 + i : some(i, j); }};
}
double l_at(const Matrix& l, int i, int j) {
  return i < j ? 0.0 : l.at(i, j);
}

void expect_same(const std::vector<double>& got, const Matrix& expected, const char* what) {
  ASSERT_EQ(got.size(), expected.host.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected.host[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << what << " at " << i;
    } else {
      EXPECT_NEAR(got[i], expected.host[i], 1e-12) << what << " at " << i;
    }
  }
}

class CuBlas : public testing::TestWithParam<cublasPointerMode_t> {
 protected:
  CuBlas() : two_device(std::vector<double>{2}), half_device(std::vector<double>{0.5}) {
    EXPECT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasSetPointerMode(handle, GetParam()), CUBLAS_STATUS_SUCCESS);
    const bool host = GetParam() == CUBLAS_POINTER_MODE_HOST;
    two = host ? &two_host : two_device.get();
    half = host ? &half_host : half_device.get();
  }
  ~CuBlas() override { cublasDestroy(handle); }

  cublasHandle_t handle = nullptr;
  double two_host = 2, half_host = 0.5;
  DeviceArray<double> two_device, half_device;
  const double* two = nullptr;
  const double* half = nullptr;
};

TEST_P(CuBlas, MultipliesMatrices) {
  const int m = 4, n = 3, k = 5;
  for (const cublasOperation_t op_a : {CUBLAS_OP_N, CUBLAS_OP_T}) {
    for (const cublasOperation_t op_b : {CUBLAS_OP_N, CUBLAS_OP_T}) {
      const Matrix a = op_a == CUBLAS_OP_N ? general(m, k) : general(k, m);
      const Matrix b = op_b == CUBLAS_OP_N ? general(k, n) : general(n, k);
      const Matrix c = general(m, n);
      Matrix expected = c;
      for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
          double sum = 0;
          for (int q = 0; q < k; ++q) {
            sum += (op_a == CUBLAS_OP_N ? a.at(i, q) : a.at(q, i)) *
                   (op_b == CUBLAS_OP_N ? b.at(q, j) : b.at(j, q));
          }
          expected.at(i, j) = 2 * sum + 0.5 * c.at(i, j);
        }
      }
      const DeviceArray<double> da(a.host), db(b.host), dc(c.host), strided(c.host), batched(c.host);
      ASSERT_EQ(
          cublasDgemm(handle, op_a, op_b, m, n, k, two, da.get(), a.ld, db.get(), b.ld, half, dc.get(), c.ld),
          CUBLAS_STATUS_SUCCESS);
      expect_same(dc.values(), expected, "Dgemm");
      ASSERT_EQ(cublasDgemmStridedBatched(handle, op_a, op_b, m, n, k, two, da.get(), a.ld, 0, db.get(), b.ld,
                                          0, half, strided.get(), c.ld, 1000, 1),
                CUBLAS_STATUS_SUCCESS);
      expect_same(strided.values(), expected, "DgemmStridedBatched");
      const DeviceArray<double*> pa(std::vector<double*>{da.get()}), pb(std::vector<double*>{db.get()}),
          pc(std::vector<double*>{batched.get()});
      ASSERT_EQ(cublasDgemmBatched(handle, op_a, op_b, m, n, k, two, pa.get(), a.ld, pb.get(), b.ld, half,
                                   pc.get(), c.ld, 1),
                CUBLAS_STATUS_SUCCESS);
      expect_same(batched.values(), expected, "DgemmBatched");
    }
  }
}

TEST_P(CuBlas, MultipliesSymmetricMatrices) {
  const int n = 4, k = 3;
  const Matrix a = general(n, k);
  const Matrix c = lower(n);
  Matrix expected = c;
  for (int j = 0; j < n; ++j) {
    for (int i = j; i < n; ++i) {
      double sum = 0;
      for (int q = 0; q < k; ++q) sum += a.at(i, q) * a.at(j, q);
      expected.at(i, j) = 2 * sum + 0.5 * c.at(i, j);
    }
  }
  const DeviceArray<double> da(a.host), dc(c.host);
  ASSERT_EQ(cublasDsyrk(handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, n, k, two, da.get(), a.ld, half,
                        dc.get(), c.ld),
            CUBLAS_STATUS_SUCCESS);
  expect_same(dc.values(), expected, "Dsyrk");

  const Matrix b = general(n, k);
  Matrix product = b;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < k; ++j) {
      double sum = 0;
      for (int q = 0; q < n; ++q) sum += (i >= q ? c.at(i, q) : c.at(q, i)) * b.at(q, j);
      product.at(i, j) = 2 * sum + 0.5 * b.at(i, j);
    }
  }
  const DeviceArray<double> ds(c.host), db(b.host), out(b.host);
  ASSERT_EQ(cublasDsymm(handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, n, k, two, ds.get(), c.ld, db.get(),
                        b.ld, half, out.get(), b.ld),
            CUBLAS_STATUS_SUCCESS);
  expect_same(out.values(), product, "Dsymm");
  const DeviceArray<double> vector_out(b.host);
  ASSERT_EQ(cublasDsymv(handle, CUBLAS_FILL_MODE_LOWER, n, two, ds.get(), c.ld, db.get(), 1, half,
                        vector_out.get(), 1),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_NEAR(vector_out.values()[1], product.at(1, 0), 1e-12);
}

TEST_P(CuBlas, SolvesAndMultipliesByTriangles) {
  const int n = 5, columns = 3;
  const Matrix l = lower(n);
  const Matrix x = general(n, columns);
  Matrix product = x;  // 2 L x, by which a solve with factor 0.5 gives x again
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < columns; ++j) {
      double sum = 0;
      for (int q = 0; q <= i; ++q) sum += l.at(i, q) * x.at(q, j);
      product.at(i, j) = 2 * sum;
    }
  }
  const DeviceArray<double> dl(l.host), dx(x.host), dp(x.host), members(product.host);
  const auto L = CUBLAS_SIDE_LEFT;
  const auto low = CUBLAS_FILL_MODE_LOWER;
  const auto plain = CUBLAS_OP_N;
  const auto nonunit = CUBLAS_DIAG_NON_UNIT;
  ASSERT_EQ(cublasDtrmm(handle, L, low, plain, nonunit, n, columns, two, dl.get(), l.ld, dx.get(), x.ld,
                        dp.get(), x.ld),
            CUBLAS_STATUS_SUCCESS);
  expect_same(dp.values(), product, "Dtrmm");
  expect_same(dx.values(), x, "Dtrmm's B");
  ASSERT_EQ(cublasDtrsm(handle, L, low, plain, nonunit, n, columns, half, dl.get(), l.ld, dp.get(), x.ld),
            CUBLAS_STATUS_SUCCESS);
  expect_same(dp.values(), x, "Dtrsm");
  const DeviceArray<double*> pl(std::vector<double*>{dl.get()}), pm(std::vector<double*>{members.get()});
  ASSERT_EQ(
      cublasDtrsmBatched(handle, L, low, plain, nonunit, n, columns, half, pl.get(), l.ld, pm.get(), x.ld, 1),
      CUBLAS_STATUS_SUCCESS);
  expect_same(members.values(), x, "DtrsmBatched");
  const DeviceArray<double> v(product.host);
  ASSERT_EQ(cublasDtrsv(handle, low, plain, nonunit, n, dl.get(), l.ld, v.get(), 1), CUBLAS_STATUS_SUCCESS);
  EXPECT_NEAR(v.values()[4], 2 * x.at(4, 0), 1e-12);
  ASSERT_EQ(cublasDtrmv(handle, low, plain, nonunit, n, dl.get(), l.ld, v.get(), 1), CUBLAS_STATUS_SUCCESS);
  EXPECT_NEAR(v.values()[4], product.at(4, 0), 1e-12);
}

TEST_P(CuBlas, WorksOnVectors) {
  const int m = 4, n = 3;
  const Matrix a = general(m, n);
  const DeviceArray<double> da(a.host), x(std::vector<double>{1, 9, 2, 9, 3}),
      y(std::vector<double>{1, 1, 1, 1});
  const auto ok = CUBLAS_STATUS_SUCCESS;
  double host[2] = {};
  const DeviceArray<double> device(2);
  double* const out = GetParam() == CUBLAS_POINTER_MODE_HOST ? host : device.get();
  ASSERT_EQ(cublasDdot(handle, 3, x.get(), 2, y.get(), 1, out), ok);
  ASSERT_EQ(cublasDnrm2(handle, 3, x.get(), 2, out + 1), ok);
  const std::vector<double> sums =
      GetParam() == CUBLAS_POINTER_MODE_HOST ? std::vector<double>{host[0], host[1]} : device.values();
  EXPECT_DOUBLE_EQ(sums[0], 6);
  EXPECT_DOUBLE_EQ(sums[1], std::sqrt(14.0));

  ASSERT_EQ(cublasDgemv(handle, CUBLAS_OP_N, m, n, two, da.get(), a.ld, x.get(), 2, half, y.get(), 1), ok);
  const double row = 2 * (a.at(3, 0) + 2 * a.at(3, 1) + 3 * a.at(3, 2)) + 0.5;
  EXPECT_NEAR(y.values()[3], row, 1e-12);
  const DeviceArray<double> ys(std::vector<double>{1, 1, 1, 1, 1, 1, 1, 1});
  ASSERT_EQ(cublasDgemvStridedBatched(handle, CUBLAS_OP_N, m, n, two, da.get(), a.ld, 0, x.get(), 2, 0, half,
                                      ys.get(), 1, 4, 2),
            ok);
  EXPECT_NEAR(ys.values()[7], row, 1e-12);

  ASSERT_EQ(cublasDscal(handle, 3, two, x.get(), 2), ok);
  EXPECT_THAT(x.values(), ElementsAre(2, 9, 4, 9, 6));
  const DeviceArray<double> z(std::vector<double>{1, 2, 3});
  ASSERT_EQ(cublasDaxpy(handle, 3, two, x.get(), 2, z.get(), 1), ok);
  EXPECT_THAT(z.values(), ElementsAre(5, 10, 15));
  ASSERT_EQ(cublasDcopy(handle, 2, z.get(), 2, x.get(), 1), ok);
  EXPECT_THAT(x.values(), ElementsAre(5, 15, 4, 9, 6));

  const Matrix zero(2, 2, [](int, int) { return 0.0; });
  const DeviceArray<double> outer(zero.host), triangle(zero.host);
  ASSERT_EQ(cublasDger(handle, 2, 2, two, z.get(), 1, z.get() + 1, 1, outer.get(), zero.ld), ok);
  EXPECT_THAT(outer.values(), ElementsAre(100, 200, -77, -77, -77, 150, 300, -77, -77, -77));
  ASSERT_EQ(cublasDsyr(handle, CUBLAS_FILL_MODE_LOWER, 2, two, z.get(), 1, triangle.get(), zero.ld), ok);
  EXPECT_THAT(triangle.values(), ElementsAre(50, 100, -77, -77, -77, 0, 200, -77, -77, -77));

  const DeviceArray<double> transposed(Matrix(n, m, some).host);
  const Matrix e = general(n, m);
  Matrix sum = e;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < m; ++j) sum.at(i, j) = 2 * a.at(j, i) + 0.5 * e.at(i, j);
  }
  const DeviceArray<double> de(e.host);
  ASSERT_EQ(cublasDgeam(handle, CUBLAS_OP_T, CUBLAS_OP_N, n, m, two, da.get(), a.ld, half, de.get(), e.ld,
                        transposed.get(), e.ld),
            ok);
  expect_same(transposed.values(), sum, "Dgeam");
}

TEST_P(CuBlas, RefusesSizesThatCannotBe) {
  const DeviceArray<double> d(std::vector<double>(100, 1.0));
  double* const p = d.get();
  const auto wrong = CUBLAS_STATUS_INVALID_VALUE;
  const auto n = CUBLAS_OP_N;
  EXPECT_EQ(cublasDgemm(handle, n, n, 4, 3, 5, two, p, 3, p, 5, half, p, 4), wrong);
  EXPECT_EQ(cublasDgemm(handle, n, n, -1, 3, 5, two, p, 4, p, 5, half, p, 4), wrong);
  EXPECT_EQ(cublasDsyrk(handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T, 4, 3, two, p, 2, half, p, 4), wrong);
  EXPECT_EQ(cublasDscal(handle, 3, two, p, 0), wrong);
  const DeviceArray<double*> pointers(std::vector<double*>{p});
  EXPECT_EQ(cublasDtrsmBatched(handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, n, CUBLAS_DIAG_NON_UNIT, 4,
                               1, two, pointers.get(), 3, pointers.get(), 4, 1),
            wrong);
  EXPECT_EQ(cublasDgemm(handle, n, n, 0, 3, 5, two, nullptr, 1, p, 5, half, nullptr, 1),
            CUBLAS_STATUS_SUCCESS)
      << "an empty product reads and writes nothing";
  EXPECT_EQ(cublasDscal(nullptr, 3, two, p, 1), CUBLAS_STATUS_NOT_INITIALIZED);
  fail_call("cublasDscal_v2", cudaErrorLaunchFailure);
  EXPECT_EQ(cublasDscal(handle, 3, two, p, 1), CUBLAS_STATUS_EXECUTION_FAILED);
}

INSTANTIATE_TEST_SUITE_P(PointerModes, CuBlas,
                         testing::Values(CUBLAS_POINTER_MODE_HOST, CUBLAS_POINTER_MODE_DEVICE));

class CuSolver : public testing::Test {
 protected:
  CuSolver() : info(std::vector<int>{-1}) {
    EXPECT_EQ(cusolverDnCreate(&handle), CUSOLVER_STATUS_SUCCESS);
    EXPECT_EQ(cusolverDnCreateParams(&params), CUSOLVER_STATUS_SUCCESS);
  }
  ~CuSolver() override {
    cusolverDnDestroyParams(params);
    cusolverDnDestroy(handle);
  }
  /// L L' in the lower triangle, NaN above, with the sign of pivot `broken` turned.
  static Matrix product_of(const Matrix& l, int broken = -1) {
    return {l.rows, l.rows, [&](int i, int j) {
              if (i < j) return std::nan("");
              double sum = 0;
              for (int q = 0; q <= j; ++q) sum += l.at(i, q) * l.at(j, q);
              return i == j && j == broken ? -sum : sum;
            }};
  }

  cusolverDnHandle_t handle = nullptr;
  cusolverDnParams_t params = nullptr;
  DeviceArray<int> info;
  static constexpr auto kLower = CUBLAS_FILL_MODE_LOWER;
  static constexpr auto kOk = CUSOLVER_STATUS_SUCCESS;
};

TEST_F(CuSolver, FactorisesInvertsAndSolves) {
  const int n = 6;
  const Matrix l = lower(n);
  const Matrix a = product_of(l);
  const DeviceArray<double> d(a.host), right(Matrix(n, 1, some).host);
  int size = 0;
  ASSERT_EQ(cusolverDnDpotrf_bufferSize(handle, kLower, n, d.get(), a.ld, &size), kOk);
  const DeviceArray<double> work(std::vector<double>(static_cast<std::size_t>(size), 0.0));
  ASSERT_EQ(cusolverDnDpotrf(handle, kLower, n, d.get(), a.ld, work.get(), size, info.get()), kOk);
  expect_same(d.values(), l, "Dpotrf");
  EXPECT_THAT(info.values(), ElementsAre(0));
  EXPECT_TRUE(std::isnan(work.values()[0])) << "a workspace holds nothing that one may rely on";

  ASSERT_EQ(cusolverDnDpotrs(handle, kLower, n, 1, d.get(), a.ld, right.get(), n + 3, info.get()), kOk);
  const std::vector<double> x = right.values();
  double first = 0;
  for (int j = 0; j < n; ++j) first += a.at(j, 0) * x[static_cast<std::size_t>(j)];
  EXPECT_NEAR(first, some(0, 0), 1e-10);

  ASSERT_EQ(cusolverDnDpotri_bufferSize(handle, kLower, n, d.get(), a.ld, &size), kOk);
  const DeviceArray<double> more(static_cast<std::size_t>(size));
  ASSERT_EQ(cusolverDnDpotri(handle, kLower, n, d.get(), a.ld, more.get(), size, info.get()), kOk);
  const std::vector<double> inverse = d.values();
  double one = 0;  // row 0 of A times column 0 of its inverse
  for (int j = 0; j < n; ++j) one += a.at(j, 0) * inverse[static_cast<std::size_t>(j)];
  EXPECT_NEAR(one, 1, 1e-10);
  EXPECT_TRUE(std::isnan(inverse[static_cast<std::size_t>(a.ld)])) << "the other triangle is left alone";
}

TEST_F(CuSolver, HasTheWideInterface) {
  const int n = 6;
  const Matrix l = lower(n);
  const Matrix a = product_of(l);
  const DeviceArray<double> d(a.host);
  std::size_t on_device = 0;
  std::size_t on_host = 0;
  ASSERT_EQ(cusolverDnXpotrf_bufferSize(handle, params, kLower, n, CUDA_R_64F, d.get(), a.ld, CUDA_R_64F,
                                        &on_device, &on_host),
            kOk);
  const DeviceArray<char> work(on_device);
  std::vector<char> host(on_host);
  ASSERT_EQ(cusolverDnXpotrf(handle, params, kLower, n, CUDA_R_64F, d.get(), a.ld, CUDA_R_64F, work.get(),
                             on_device, host.data(), on_host, info.get()),
            kOk);
  expect_same(d.values(), l, "Xpotrf");
  EXPECT_EQ(cusolverDnXpotrf(handle, params, kLower, n, CUDA_R_32F, d.get(), a.ld, CUDA_R_64F, work.get(),
                             on_device, host.data(), on_host, info.get()),
            CUSOLVER_STATUS_INVALID_VALUE);

  ASSERT_EQ(cusolverDnXtrtri_bufferSize(handle, kLower, CUBLAS_DIAG_NON_UNIT, n, CUDA_R_64F, d.get(), a.ld,
                                        &on_device, &on_host),
            kOk);
  const DeviceArray<char> more(on_device);
  host.resize(on_host);
  ASSERT_EQ(cusolverDnXtrtri(handle, kLower, CUBLAS_DIAG_NON_UNIT, n, CUDA_R_64F, d.get(), a.ld, more.get(),
                             on_device, host.data(), on_host, info.get()),
            kOk);
  const std::vector<double> inverse = d.values();
  double zero = 0;  // row 5 of L times column 2 of its inverse
  for (int q = 2; q < n; ++q) zero += l_at(l, 5, q) * inverse[static_cast<std::size_t>(2 * a.ld + q)];
  EXPECT_NEAR(zero, 0, 1e-14);
  EXPECT_DOUBLE_EQ(inverse[0], 0.5);
}

TEST_F(CuSolver, TellsTheFailingMembersOfABatchAndLeavesTheOthersAlone) {
  const int n = 5;
  const Matrix l = lower(n);
  const Matrix good = product_of(l);
  const Matrix bad = product_of(l, 2);
  const DeviceArray<double> first(good.host), second(bad.host), third(good.host);
  const DeviceArray<double*> pointers(std::vector<double*>{first.get(), second.get(), third.get()});
  const DeviceArray<int> infos(3);
  ASSERT_EQ(cusolverDnDpotrfBatched(handle, kLower, n, pointers.get(), good.ld, infos.get(), 3), kOk);
  EXPECT_THAT(infos.values(), ElementsAre(0, 3, 0));
  expect_same(first.values(), l, "the first");
  expect_same(third.values(), l, "the third");
  const std::vector<double> failed = second.values();
  EXPECT_DOUBLE_EQ(failed[0], 2) << "what precedes the bad minor stands";
  EXPECT_TRUE(std::isnan(failed[static_cast<std::size_t>(2 * good.ld + 2)]));
}

TEST_F(CuSolver, RefusesSizesThatCannotBe) {
  const DeviceArray<double> d(100);
  int size = 0;
  EXPECT_EQ(cusolverDnDpotrf_bufferSize(handle, kLower, 5, d.get(), 4, &size), CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(cusolverDnDpotrf(handle, kLower, 5, d.get(), 4, d.get(), 100, info.get()),
            CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(cusolverDnDpotrf_bufferSize(nullptr, kLower, 5, d.get(), 5, &size),
            CUSOLVER_STATUS_NOT_INITIALIZED);
  fail_call("cusolverDnDpotrf_bufferSize", cudaErrorMemoryAllocation);
  EXPECT_EQ(cusolverDnDpotrf_bufferSize(handle, kLower, 5, d.get(), 5, &size), CUSOLVER_STATUS_ALLOC_FAILED);
}

}  // namespace
}  // namespace krigon::host_cuda
