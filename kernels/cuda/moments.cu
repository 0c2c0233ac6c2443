// Moments of single points, and their adjoint.

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/pairs.cuh"

namespace krigon::cuda {

namespace {

/// A factor at one and the same point: its value, and for a linear one |u|^2.
__device__ inline double own_factor(const CovarianceTable& table, std::int32_t factor, const double* u) {
  double sum = 0;
  if (is_linear(table.factor_kind[factor])) {
    for (std::int32_t f = table.factor_first[factor]; f < table.factor_last[factor]; ++f) sum += u[f] * u[f];
  }
  return factor_at(table.factor_kind[factor], sum).value;
}

/// The signal variance of a term and its factors at one point, but for `without`.
__device__ inline double own_term(const CovarianceTable& table, std::int32_t term, std::int32_t without,
                                  const double* theta, const double* u) {
  double product = exp(theta[table.groups + table.periods + term]);
  for (std::int32_t factor = table.term_start[term]; factor < table.term_start[term + 1]; ++factor) {
    if (factor != without) product *= own_factor(table, factor, u);
  }
  return product;
}

/// One block a point.
__global__ void moments_kernel(CovarianceTable table, Input z, Input k, Input v, Input alpha, Theta theta,
                               Output out) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const std::int64_t j = blockIdx.x;
  const double* kj = k.data + j * k.leading;
  const double* vj = v.data + j * v.leading;
  const double* t = theta.data;
  for (std::int64_t o = 0; o < alpha.columns; ++o) {
    double sum = 0;
    for (std::int64_t i = threadIdx.x; i < k.rows; i += kThreads) sum += kj[i] * at(alpha, 0, i, o);
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) at(out, 0, o, j) = t[table.groups + table.periods + table.terms + 1] + sum;
  }
  double square = 0;
  for (std::int64_t i = threadIdx.x; i < v.rows; i += kThreads) square += vj[i] * vj[i];
  square = block_sum(square, partial);
  if (threadIdx.x != 0) return;
  double prior = 0;
  for (std::int32_t term = 0; term < table.terms; ++term) {
    prior += own_term(table, term, -1, t, z.data + j * z.leading);
  }
  at(out, 0, alpha.columns, j) = prior - square;
}

__global__ void variance_adjoint_kernel(Input v, Input adjoint, Output w, Elements elements) {
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const std::int64_t i = element % w.rows;
  const std::int64_t j = element / w.rows;
  at(w, 0, i, j) = -2.0 * at(v, 0, i, j) * at(adjoint, 0, adjoint.rows - 1, j);
}

/// One thread a point.
__global__ void prior_vjp_kernel(CovarianceTable table, Input z, Theta theta, Input adjoint, Output dz,
                                 Elements elements) {
  const std::int64_t j = element_index(elements);
  if (j >= elements.per_member) return;
  const double* u = z.data + j * z.leading;
  for (std::int32_t term = 0; term < table.terms; ++term) {
    for (std::int32_t factor = table.term_start[term]; factor < table.term_start[term + 1]; ++factor) {
      if (!is_linear(table.factor_kind[factor])) continue;
      const double weight =
          2.0 * at(adjoint, 0, adjoint.rows - 1, j) * own_term(table, term, factor, theta.data, u);
      for (std::int32_t f = table.factor_first[factor]; f < table.factor_last[factor]; ++f) {
        at(dz, 0, f, j) += weight * u[f];
      }
    }
  }
}

}  // namespace

cudaError_t launch_moments(cudaStream_t stream, const CovarianceTable& table, Input z, Input k, Input v,
                           Input alpha, Theta theta, Output out) {
  if (out.columns == 0) return cudaSuccess;
  return launch(moments_kernel, dim3(static_cast<unsigned>(out.columns)), dim3(kThreads), 0, stream, table, z,
                k, v, alpha, theta, out);
}

cudaError_t launch_variance_adjoint(cudaStream_t stream, Input v, Input adjoint, Output w) {
  const Elements elements(w.rows * w.columns);
  if (elements.per_member == 0) return cudaSuccess;
  return launch(variance_adjoint_kernel, elements.grid(1), dim3(kThreads), 0, stream, v, adjoint, w,
                elements);
}

cudaError_t launch_prior_vjp(cudaStream_t stream, const CovarianceTable& table, Input z, Theta theta,
                             Input adjoint, Output dz) {
  const Elements elements(dz.columns);
  if (elements.per_member == 0) return cudaSuccess;
  return launch(prior_vjp_kernel, elements.grid(1), dim3(kThreads), 0, stream, table, z, theta, adjoint, dz,
                elements);
}

}  // namespace krigon::cuda
