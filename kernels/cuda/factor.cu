// Around the solvers: what their `info` means, and rank-one changes of a factor.

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"

namespace krigon::cuda {

namespace {

__global__ void pointers_kernel(double* data, std::int64_t stride, std::int64_t batch, double** pointers) {
  const std::int64_t b = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (b < batch) pointers[b] = data + b * stride;
}

/// One block a column and member.
__global__ void flag_not_finite_kernel(Input a, int* flags) {
  const std::int64_t member = blockIdx.x / a.columns;
  const std::int64_t j = blockIdx.x % a.columns;
  bool fine = true;
  for (std::int64_t i = j + threadIdx.x; i < a.rows; i += kThreads)
    fine = fine && is_finite(at(a, member, i, j));
  if (!fine) atomicMax(flags + member, 1);
}

/// One block a member.
__global__ void info_kernel(Input l, const int* flags, const int* solver, double* info) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const std::int64_t member = blockIdx.x;
  double bad = 0;
  for (std::int64_t i = threadIdx.x; i < l.rows; i += kThreads) {
    if (!is_finite(at(l, member, i, i))) bad = 1;
  }
  bad = block_sum(bad, partial);
  if (threadIdx.x != 0) return;
  const int word = solver[member];
  const bool finite = flags[member] == 0 && (word != 0 || bad == 0);
  info[member] = finite ? static_cast<double>(word) : -1.0;
}

/// One warp a block on the diagonal and member; a lane makes a column by forward substitution.
__global__ void invert_blocks_kernel(Input l, Output inverse, std::int64_t blocks) {
  KRIGON_SHARED(double, factor, [kInvertedBlock][kInvertedBlock + 1]);
  KRIGON_SHARED(double, columns, [kInvertedBlock][kInvertedBlock + 1]);
  const std::int64_t member = blockIdx.x / blocks;
  const std::int64_t first = blockIdx.x % blocks * kInvertedBlock;
  const std::int64_t size = min(kInvertedBlock, l.rows - first);
  const std::int64_t lane = threadIdx.x;
  for (std::int64_t j = 0; j < size; ++j) {
    if (lane < size && lane >= j) factor[lane][j] = at(l, member, first + lane, first + j);
  }
  __syncthreads();
  if (lane < size) {
    for (std::int64_t i = 0; i < size; ++i) {
      double sum = i == lane ? 1.0 : 0.0;
      for (std::int64_t k = lane; k < i; ++k) sum -= factor[i][k] * columns[k][lane];
      columns[i][lane] = i < lane ? 0.0 : sum / factor[i][i];
    }
  }
  __syncthreads();
  for (std::int64_t j = 0; j < size; ++j) {
    if (lane < size) at(inverse, member, first + lane, first + j) = columns[lane][j];
  }
}

__global__ void copy_lower_kernel(Input from, Output to, Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const std::int64_t i = element % to.rows;
  const std::int64_t j = element / to.rows;
  if (i >= j) at(to, member, i, j) = at(from, member, i, j);
}

/// One block.
__global__ void append_row_kernel(Input solved, Input row, double floor, Output l) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const std::int64_t n = l.rows - 1;
  double square = 0;
  for (std::int64_t j = threadIdx.x; j < n; j += kThreads) {
    const double value = at(solved, 0, j, 0);
    at(l, 0, n, j) = value;
    square += value * value;
  }
  square = block_sum(square, partial);
  if (threadIdx.x != 0) return;
  const double own = at(row, 0, n, 0);
  const double rest = own - square;
  const double least = floor * own;
  // What is not a number stays so.
  at(l, 0, n, n) = sqrt(rest < least ? least : rest);
}

/// Rows below `index` move up by one in the columns before it: one block a column.
__global__ void close_rows_kernel(Output l, std::int64_t index) {
  const std::int64_t j = blockIdx.x;
  for (std::int64_t first = index; first < l.rows - 1; first += kThreads) {
    const std::int64_t i = first + threadIdx.x;
    const bool inside = i < l.rows - 1;
    const double value = inside ? at(l, 0, i + 1, j) : 0.0;
    __syncthreads();
    if (inside) at(l, 0, i, j) = value;
    __syncthreads();
  }
}

/// The block behind `index`: with l32 the column that goes and L33 the triangle behind it, the new one is
/// the factor of L33 L33' + l32 l32', made by rotations of column pairs (Golub and Van Loan 2013, section
/// 6.5.4), each moved left and up by one as it is done. One block; `change` holds l32 as it is rotated.
__global__ void rotate_columns_kernel(Output l, std::int64_t index, double* change) {
  for (std::int64_t i = index + 1 + threadIdx.x; i < l.rows; i += kThreads) change[i] = at(l, 0, i, index);
  __syncthreads();
  for (std::int64_t k = index + 1; k < l.rows; ++k) {
    const double diagonal = at(l, 0, k, k);
    const double rest = change[k];
    const double length = hypot(diagonal, rest);
    const double c = diagonal / length;
    const double s = rest / length;
    __syncthreads();  // all have read change[k] and the diagonal
    for (std::int64_t i = k + threadIdx.x; i < l.rows; i += kThreads) {
      const double value = at(l, 0, i, k);
      const double other = change[i];
      at(l, 0, i - 1, k - 1) = c * value + s * other;
      change[i] = c * other - s * value;
    }
    __syncthreads();
  }
}

}  // namespace

cudaError_t launch_pointers(cudaStream_t stream, double* data, std::int64_t stride, std::int64_t batch,
                            double** pointers) {
  if (batch == 0) return cudaSuccess;
  return launch(pointers_kernel, dim3(static_cast<unsigned>(blocks_for(batch, kThreads))), dim3(kThreads), 0,
                stream, data, stride, batch, pointers);
}

cudaError_t launch_flag_not_finite(cudaStream_t stream, Input a, std::int64_t batch, int* flags) {
  if (batch == 0) return cudaSuccess;
  const cudaError_t error = cudaMemsetAsync(flags, 0, static_cast<std::size_t>(batch) * sizeof(int), stream);
  if (error != cudaSuccess || a.columns == 0) return error;
  return launch(flag_not_finite_kernel, dim3(static_cast<unsigned>(a.columns * batch)), dim3(kThreads), 0,
                stream, a, flags);
}

cudaError_t launch_info(cudaStream_t stream, Input l, std::int64_t batch, const int* flags, const int* solver,
                        double* info) {
  if (batch == 0) return cudaSuccess;
  return launch(info_kernel, dim3(static_cast<unsigned>(batch)), dim3(kThreads), 0, stream, l, flags, solver,
                info);
}

cudaError_t launch_invert_blocks(cudaStream_t stream, Input l, Output inverse, std::int64_t batch) {
  const std::int64_t blocks = blocks_for(l.rows, kInvertedBlock);
  if (blocks * batch == 0) return cudaSuccess;
  if (const cudaError_t error = launch_add(stream, 0, {}, 0, inverse, batch)) return error;
  return launch(invert_blocks_kernel, dim3(static_cast<unsigned>(blocks * batch)),
                dim3(static_cast<unsigned>(kInvertedBlock)), 0, stream, l, inverse, blocks);
}

cudaError_t launch_copy_lower(cudaStream_t stream, Input from, Output to, std::int64_t batch) {
  const Elements elements(to.rows * to.columns);
  if (elements.per_member * batch == 0) return cudaSuccess;
  return launch(copy_lower_kernel, elements.grid(batch), dim3(kThreads), 0, stream, from, to, elements);
}

cudaError_t launch_append_row(cudaStream_t stream, Input solved, Input row, double floor, Output l) {
  return launch(append_row_kernel, dim3(1), dim3(kThreads), 0, stream, solved, row, floor, l);
}

cudaError_t launch_remove_point(cudaStream_t stream, Output l, std::int64_t index, double* change) {
  if (index + 1 >= l.rows) return cudaSuccess;  // the last point leaves the rest as it is
  cudaError_t error = cudaSuccess;
  if (index > 0) {
    error =
        launch(close_rows_kernel, dim3(static_cast<unsigned>(index)), dim3(kThreads), 0, stream, l, index);
  }
  if (error != cudaSuccess) return error;
  return launch(rotate_columns_kernel, dim3(1), dim3(kThreads), 0, stream, l, index, change);
}

}  // namespace krigon::cuda
