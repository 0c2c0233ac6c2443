// Sums, reductions and what goes over a matrix once.

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"
#include "kernels/likelihood.hpp"

namespace krigon::cuda {

namespace {

__global__ void add_kernel(double alpha, Input a, bool scalar, double beta, Output b, Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const std::int64_t i = element % b.rows;
  const std::int64_t j = element / b.rows;
  double added = 0;
  if (a.data != nullptr) added = alpha * (scalar ? at(a, member, 0, 0) : at(a, member, i, j));
  double& to = at(b, member, i, j);
  to = beta == 0 ? added : added + beta * to;
}

/// One block a column and member, or a member where it is about the diagonal.
__global__ void reduce_kernel(Reduction reduction, Input a, Input b, Output out) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const bool diagonal = reduction == Reduction::log_diagonal || reduction == Reduction::trace;
  const std::int64_t member = diagonal ? blockIdx.x : blockIdx.x / a.columns;
  const std::int64_t column = diagonal ? 0 : blockIdx.x % a.columns;
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < a.rows; i += kThreads) {
    const double value = at(a, member, i, diagonal ? i : column);
    switch (reduction) {
      case Reduction::dot:
        sum += value * at(b, member, i, column);
        break;
      case Reduction::log_diagonal:
        sum += log(value);
        break;
      case Reduction::sum:
      case Reduction::trace:
        sum += value;
        break;
    }
  }
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) at(out, 0, column, member) = sum;
}

__global__ void add_noise_kernel(CovarianceTable table, Theta theta, Input noise, Output k,
                                 Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t i = element_index(elements);
  if (i >= elements.per_member) return;
  const double* t = column_of(theta, member) + table.groups + table.periods;
  double signal = 0;
  for (std::int32_t term = 0; term < table.terms; ++term) signal += exp(t[term]);
  const double variance = exp(t[table.terms]);
  const double jitter = t[table.terms + 2];
  double added = variance + jitter * (signal + variance);
  if (noise.data != nullptr) added += at(noise, member, i, 0);
  at(k, member, i, i) += added;
}

constexpr int kSide = 32;  ///< of a tile of the adjoint; a block is kSide x 8 threads

/// One block a tile of the lower triangle, whose mirror image it writes too.
__global__ void likelihood_adjoint_kernel(Input alpha, Output k, std::int64_t tiles) {
  KRIGON_SHARED(double, tile, [kSide][kSide + 1]);
  const std::int64_t lower = tiles * (tiles + 1) / 2;
  const std::int64_t member = blockIdx.x / lower;
  // The tile's column: how many whole columns, each one tile shorter than the one before, precede it.
  std::int64_t row = blockIdx.x % lower;
  std::int64_t column = 0;
  while (row >= tiles - column) {
    row -= tiles - column;
    ++column;
  }
  row += column;
  const int x = static_cast<int>(threadIdx.x);
  const double outputs = static_cast<double>(alpha.columns);
  for (int y = static_cast<int>(threadIdx.y); y < kSide; y += 8) {
    const std::int64_t i = row * kSide + x;
    const std::int64_t j = column * kSide + y;
    if (i >= k.rows || j > i) continue;
    double sum = -outputs * at(k, member, i, j);
    for (std::int64_t o = 0; o < alpha.columns; ++o) sum += at(alpha, member, i, o) * at(alpha, member, j, o);
    sum *= 0.5;
    tile[x][y] = sum;
    at(k, member, i, j) = sum;
  }
  __syncthreads();
  for (int y = static_cast<int>(threadIdx.y); y < kSide; y += 8) {
    const std::int64_t i = row * kSide + y;
    const std::int64_t j = column * kSide + x;
    if (i < k.rows && j < i) at(k, member, j, i) = tile[y][x];
  }
}

__global__ void finish_likelihood_kernel(LikelihoodShape shape, Theta theta, Input parts, Input dtheta,
                                         Output out, Elements elements) {
  const std::int64_t b = element_index(elements);
  if (b >= elements.per_member) return;
  const double* t = theta.data + b * theta.leading;
  const LikelihoodParts all{at(parts, 0, 0, b), at(parts, 0, 1, b), at(parts, 0, 2, b), at(parts, 0, 3, b),
                            at(parts, 0, 4, b)};
  double info = all.info;
  const double value = log_likelihood(all, static_cast<double>(shape.n), static_cast<double>(shape.outputs));
  if (info == 0 && !is_finite(value)) info = -1;
  at(out, 0, 0, b) = info;
  if (info != 0) {
    for (std::int64_t row = 1; row < out.rows; ++row) at(out, 0, row, b) = nan("");
    return;
  }
  at(out, 0, 1, b) = value;
  const double jitter = t[shape.jitter];
  for (std::int64_t row = 0; row < shape.noise; ++row) {
    double derivative = at(dtheta, 0, row, b);
    if (row >= shape.signal) derivative += jitter_signal_gradient(all, exp(t[row]), jitter);
    at(out, 0, 2 + row, b) = derivative;
  }
  at(out, 0, 2 + shape.noise, b) = noise_gradient(all, exp(t[shape.noise]), jitter);
  at(out, 0, 2 + shape.mean, b) = all.alpha_sum;
}

__global__ void waves_kernel(Input waves, Output out, Elements elements) {
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const std::int64_t r = element % out.rows;
  double& value = at(out, 0, r, element / out.rows);
  value = at(waves, 0, waves.rows - 1, r) * cos(value + at(waves, 0, waves.rows - 2, r));
}

}  // namespace

cudaError_t launch_add(cudaStream_t stream, double alpha, Input a, double beta, Output b,
                       std::int64_t batch) {
  const Elements elements(b.rows * b.columns);
  if (elements.per_member * batch == 0) return cudaSuccess;
  const bool scalar = a.rows == 1 && a.columns == 1;
  return launch(add_kernel, elements.grid(batch), dim3(kThreads), 0, stream, alpha, a, scalar, beta, b,
                elements);
}

cudaError_t launch_reduce(cudaStream_t stream, Reduction reduction, Input a, Input b, Output out,
                          std::int64_t batch) {
  const std::int64_t blocks = out.rows * batch;
  if (blocks == 0) return cudaSuccess;
  return launch(reduce_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, stream, reduction, a,
                b, out);
}

cudaError_t launch_add_noise(cudaStream_t stream, const CovarianceTable& table, Theta theta, Input noise,
                             Output k, std::int64_t batch) {
  const Elements elements(k.rows);
  if (elements.per_member * batch == 0) return cudaSuccess;
  return launch(add_noise_kernel, elements.grid(batch), dim3(kThreads), 0, stream, table, theta, noise, k,
                elements);
}

cudaError_t launch_likelihood_adjoint(cudaStream_t stream, Input alpha, Output k, std::int64_t batch) {
  const std::int64_t tiles = blocks_for(k.rows, kSide);
  const std::int64_t blocks = tiles * (tiles + 1) / 2 * batch;
  if (blocks == 0) return cudaSuccess;
  return launch(likelihood_adjoint_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kSide, 8), 0, stream,
                alpha, k, tiles);
}

cudaError_t launch_finish_likelihood(cudaStream_t stream, LikelihoodShape shape, Theta theta, Input parts,
                                     Input dtheta, Output out) {
  const Elements elements(out.columns);
  if (elements.per_member == 0) return cudaSuccess;
  return launch(finish_likelihood_kernel, elements.grid(1), dim3(kThreads), 0, stream, shape, theta, parts,
                dtheta, out, elements);
}

cudaError_t launch_waves(cudaStream_t stream, Input waves, Output out) {
  const Elements elements(out.rows * out.columns);
  if (elements.per_member == 0) return cudaSuccess;
  return launch(waves_kernel, elements.grid(1), dim3(kThreads), 0, stream, waves, out, elements);
}

}  // namespace krigon::cuda
