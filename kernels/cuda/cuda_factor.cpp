// Dense linear algebra by cuSOLVER and cuBLAS.
//
// Which way a matrix is factorised depends on its order alone, never on the size of the batch, so that a
// member's bits do not depend on its company.

#include <algorithm>

#include "kernels/cuda/check.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/shapes.hpp"

namespace krigon::cuda {

namespace {

cublasOperation_t operation(Transpose transpose) {
  return transpose == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

std::int64_t stride_of(const ConstView& view) {
  return view.batch == 1 ? 0 : view.stride;
}

bool empty(const ConstView& view) {
  return view.rows == 0 || view.columns == 0 || view.batch == 0;
}

}  // namespace

double** CudaBackend::pointers(Scratch use, double* data, std::int64_t stride, std::int64_t batch) {
  auto** list = context_.scratch<double*>(use, batch);
  check(launch_pointers(context_.stream(), data, stride, batch, list), "listing a batch");
  return list;
}

void CudaBackend::cholesky(View a, double* info) {
  require(square(a), "cholesky: the matrix is not square");
  if (a.batch == 0) return;
  const int n = to_int(a.rows, "cholesky");
  const int leading = to_int(a.leading, "cholesky");
  int* flags = context_.scratch<int>(Scratch::flags, a.batch);
  int* solver_info = context_.scratch<int>(Scratch::solver_info, a.batch);
  // Whether the input is finite has to be asked before: what cuSOLVER does with NaN is not documented.
  check(launch_flag_not_finite(context_.stream(), a, a.batch, flags),
        "looking for values that are not finite");
  if (n == 0) {
    check(cudaMemsetAsync(solver_info, 0, static_cast<std::size_t>(a.batch) * sizeof(int), context_.stream()),
          "clearing");
  } else if (batched(n)) {
    // In a copy: the other triangle is its work space.
    const View copy = square_scratch(Scratch::product, n, a.batch);
    check(launch_copy_lower(context_.stream(), a, copy, a.batch), "copying a triangle");
    double** members = pointers(Scratch::pointers, copy.data, copy.stride, a.batch);
    check(cusolverDnDpotrfBatched(context_.solver(), CUBLAS_FILL_MODE_LOWER, n, members, n, solver_info,
                                  to_int(a.batch, "cholesky")),
          "factorising a batch");
    check(launch_copy_lower(context_.stream(), copy, a, a.batch), "copying a triangle");
  } else {
    std::size_t device_bytes = 0;
    std::size_t host_bytes = 0;
    check(cusolverDnXpotrf_bufferSize(context_.solver(), context_.solver_parameters(), CUBLAS_FILL_MODE_LOWER,
                                      n, CUDA_R_64F, a.data, leading, CUDA_R_64F, &device_bytes, &host_bytes),
          "sizing a factorisation");
    void* on_device = context_.scratch(Scratch::solver, device_bytes);
    void* on_host = context_.host_scratch(host_bytes);
    for (std::int64_t b = 0; b < a.batch; ++b) {
      check(cusolverDnXpotrf(context_.solver(), context_.solver_parameters(), CUBLAS_FILL_MODE_LOWER, n,
                             CUDA_R_64F, a.member(b).data, leading, CUDA_R_64F, on_device, device_bytes,
                             on_host, host_bytes, solver_info + b),
            "factorising");
    }
  }
  check(launch_info(context_.stream(), a, a.batch, flags, solver_info, info),
        "reading a factorisation's info");
}

View CudaBackend::square_scratch(Scratch use, std::int64_t n, std::int64_t batch) {
  return {context_.scratch<double>(use, n * n * batch), n, n, n, batch, n * n};
}

View CudaBackend::batched_inverse(ConstView l) {
  const View inverse = square_scratch(Scratch::inverse, l.rows, l.batch);
  check(launch_invert_blocks(context_.stream(), l, inverse, l.batch), "inverting small triangles");
  join_inverses(l, inverse);
  return inverse;
}

void CudaBackend::join_inverses(ConstView l, View inverse) {
  // The inverse of [L11 0; L21 L22] is [X11 0; X21 X22] with X21 = -X22 L21 X11, so that all but the smallest
  // triangles is matrix products.
  const std::int64_t blocks = (l.rows + kInvertedBlock - 1) / kInvertedBlock;
  if (blocks <= 1) return;
  const std::int64_t head = blocks / 2 * kInvertedBlock;
  const auto part = [head](const auto& matrix, bool lower_rows, bool right_columns) {
    auto view = matrix;
    view.data += (lower_rows ? head : 0) + (right_columns ? head : 0) * matrix.leading;
    view.rows = lower_rows ? matrix.rows - head : head;
    view.columns = right_columns ? matrix.columns - head : head;
    return view;
  };
  join_inverses(part(l, false, false), part(inverse, false, false));
  join_inverses(part(l, true, true), part(inverse, true, true));
  const std::int64_t rest = l.rows - head;
  const View product{context_.scratch<double>(Scratch::product, rest * head * l.batch),
                     rest,
                     head,
                     rest,
                     l.batch,
                     rest * head};
  gemm(1, part(l, true, false), Transpose::no, part(inverse, false, false), Transpose::no, 0, product);
  gemm(-1, part(inverse, true, true), Transpose::no, product, Transpose::no, 0, part(inverse, true, false));
}

void CudaBackend::cholesky_inverse(View a) {
  require(square(a), "cholesky_inverse: the matrix is not square");
  if (empty(a)) return;
  const std::int64_t n = a.rows;
  if (batched(n)) {
    const View inverse = batched_inverse(a);
    const View product = square_scratch(Scratch::product, n, a.batch);
    gemm(1, inverse, Transpose::yes, inverse, Transpose::no, 0, product);
    check(launch_copy_lower(context_.stream(), product, a, a.batch), "copying a triangle");
    return;
  }
  const int order = to_int(n, "cholesky_inverse");
  const int leading = to_int(a.leading, "cholesky_inverse");
  int size = 0;
  check(cusolverDnDpotri_bufferSize(context_.solver(), CUBLAS_FILL_MODE_LOWER, order, a.data, leading, &size),
        "sizing an inverse");
  auto* work = context_.scratch<double>(Scratch::solver, size);
  int* solver_info = context_.scratch<int>(Scratch::solver_info, a.batch);
  for (std::int64_t b = 0; b < a.batch; ++b) {
    check(cusolverDnDpotri(context_.solver(), CUBLAS_FILL_MODE_LOWER, order, a.member(b).data, leading, work,
                           size, solver_info + b),
          "inverting");
  }
}

void CudaBackend::triangular_inverse(View l) {
  require(square(l), "triangular_inverse: the matrix is not square");
  if (empty(l)) return;
  const std::int64_t n = l.rows;
  if (batched(n)) {
    check(launch_copy_lower(context_.stream(), batched_inverse(l), l, l.batch), "copying a triangle");
    return;
  }
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  check(cusolverDnXtrtri_bufferSize(context_.solver(), CUBLAS_FILL_MODE_LOWER, CUBLAS_DIAG_NON_UNIT, n,
                                    CUDA_R_64F, l.data, l.leading, &device_bytes, &host_bytes),
        "sizing a triangle's inverse");
  void* on_device = context_.scratch(Scratch::solver, device_bytes);
  void* on_host = context_.host_scratch(host_bytes);
  int* solver_info = context_.scratch<int>(Scratch::solver_info, l.batch);
  for (std::int64_t b = 0; b < l.batch; ++b) {
    check(cusolverDnXtrtri(context_.solver(), CUBLAS_FILL_MODE_LOWER, CUBLAS_DIAG_NON_UNIT, n, CUDA_R_64F,
                           l.member(b).data, l.leading, on_device, device_bytes, on_host, host_bytes,
                           solver_info + b),
          "inverting a triangle");
  }
}

void CudaBackend::triangular_solve(ConstView l, Transpose transpose, View b) {
  require(square(l) && l.rows == b.rows && fits(l, b.batch), "triangular_solve: the shapes do not match");
  if (empty(b)) return;
  constexpr double kOne = 1;
  const int rows = to_int(b.rows, "triangular_solve");
  const int columns = to_int(b.columns, "triangular_solve");
  const int l_leading = to_int(l.leading, "triangular_solve");
  const int b_leading = to_int(b.leading, "triangular_solve");
  // Many columns keep the device busy by themselves.
  constexpr std::int64_t kFewColumns = 64;
  if (batched(l.rows) && b.columns <= kFewColumns) {
    // cuBLAS only reads what its prototype does not mark so.
    double** factors = pointers(Scratch::pointers, const_cast<double*>(l.data), stride_of(l), b.batch);
    double** sides = pointers(Scratch::more_pointers, b.data, b.stride, b.batch);
    check(cublasDtrsmBatched(context_.blas(), CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, operation(transpose),
                             CUBLAS_DIAG_NON_UNIT, rows, columns, &kOne, factors, l_leading, sides, b_leading,
                             to_int(b.batch, "triangular_solve")),
          "solving a batch of triangles");
    return;
  }
  for (std::int64_t member = 0; member < b.batch; ++member) {
    check(cublasDtrsm(context_.blas(), CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, operation(transpose),
                      CUBLAS_DIAG_NON_UNIT, rows, columns, &kOne, l.data + member * stride_of(l), l_leading,
                      b.member(member).data, b_leading),
          "solving a triangle");
  }
}

void CudaBackend::gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose,
                       double beta, View c) {
  const bool ta = a_transpose == Transpose::yes;
  const bool tb = b_transpose == Transpose::yes;
  const std::int64_t inner = ta ? a.rows : a.columns;
  require((ta ? a.columns : a.rows) == c.rows && (tb ? b.rows : b.columns) == c.columns &&
              (tb ? b.columns : b.rows) == inner && fits(a, c.batch) && fits(b, c.batch),
          "gemm: the shapes do not match");
  if (empty(c)) return;
  if (inner == 0) {
    add(0, {}, beta, c);
    return;
  }
  check(cublasDgemmStridedBatched(context_.blas(), operation(a_transpose), operation(b_transpose),
                                  to_int(c.rows, "gemm"), to_int(c.columns, "gemm"), to_int(inner, "gemm"),
                                  &alpha, a.data, to_int(a.leading, "gemm"), stride_of(a), b.data,
                                  to_int(b.leading, "gemm"), stride_of(b), &beta, c.data,
                                  to_int(c.leading, "gemm"), c.stride, to_int(c.batch, "gemm")),
        "multiplying");
}

void CudaBackend::cholesky_append(View l, ConstView row, double floor) {
  require(
      square(l) && l.rows >= 1 && l.batch == 1 && row.rows == l.rows && row.columns == 1 && row.batch == 1,
      "cholesky_append: l is square and row as long");
  const std::int64_t n = l.rows - 1;
  const View solved{context_.scratch<double>(Scratch::column, n + 1), n, 1, n + 1};
  add(1, {row.data, n, 1, row.leading}, 0, solved);
  triangular_solve({l.data, n, n, l.leading}, Transpose::no, solved);
  check(launch_append_row(context_.stream(), solved, row, floor, l), "appending a row");
}

void CudaBackend::cholesky_remove(View l, std::int64_t index) {
  require(square(l) && l.batch == 1 && index >= 0 && index < l.rows,
          "cholesky_remove: l is square and the index below its order");
  auto* change = context_.scratch<double>(Scratch::column, l.rows);
  check(launch_remove_point(context_.stream(), l, index, change), "taking a point out");
}

}  // namespace krigon::cuda
