// Sums, reductions and what goes over a matrix once.

#include "kernels/cuda/check.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/shapes.hpp"

namespace krigon::cuda {

void CudaBackend::add(double alpha, ConstView a, double beta, View b) {
  const bool scalar = a.rows == 1 && a.columns == 1;
  require(a.data == nullptr || ((scalar || (a.rows == b.rows && a.columns == b.columns)) && fits(a, b.batch)),
          "add: the shapes do not match");
  if (b.data == nullptr) return;
  check(launch_add(context_.stream(), alpha, a, beta, b, b.batch), "adding");
}

void CudaBackend::reduce(Reduction reduction, ConstView a, ConstView b, View out) {
  const bool diagonal = reduction == Reduction::log_diagonal || reduction == Reduction::trace;
  require(
      out.batch == 1 && out.columns == a.batch && out.rows == (diagonal ? 1 : a.columns) &&
          (!diagonal || square(a)) &&
          (reduction != Reduction::dot || (b.rows == a.rows && b.columns == a.columns && fits(b, a.batch))),
      "reduce: the shapes do not match");
  check(launch_reduce(context_.stream(), reduction, a, b, out, a.batch), "reducing");
}

void CudaBackend::top_k(ConstView values, View out) {
  require(values.columns == 1 && out.rows == 2 && out.columns <= values.rows && out.batch == values.batch,
          "top_k: values need one column, out 2 rows and no more columns than there are values");
  check(launch_top_k(context_.stream(), values, out, out.batch), "finding the largest");
}

void CudaBackend::add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) {
  require(square(k) && theta.rows == covariance.layout.rows() &&
              (theta.columns == k.batch || theta.columns == 1) &&
              (noise.data == nullptr || (noise.rows == k.rows && noise.columns == 1 && fits(noise, k.batch))),
          "add_noise: the shapes do not match");
  check(launch_add_noise(context_.stream(), static_cast<const CudaCovariance&>(covariance).table,
                         Theta(theta), noise, k, k.batch),
        "adding noise");
}

void CudaBackend::likelihood_adjoint(ConstView alpha, View k) {
  require(square(k) && alpha.rows == k.rows && alpha.batch == k.batch,
          "likelihood_adjoint: the shapes do not match");
  check(launch_likelihood_adjoint(context_.stream(), alpha, k, k.batch), "the likelihood's adjoint");
}

void CudaBackend::finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts,
                                    ConstView dtheta, View out) {
  const ThetaLayout& layout = data.layout;
  require(theta.rows == layout.rows() && parts.rows == 5 && dtheta.rows == layout.parameters() &&
              out.rows == layout.parameters() + 2 && theta.columns == out.columns &&
              parts.columns == out.columns && dtheta.columns == out.columns,
          "finish_likelihood: the shapes do not match");
  const LikelihoodShape shape{.n = data.n,
                              .outputs = data.outputs,
                              .signal = layout.signal(),
                              .noise = layout.noise(),
                              .mean = layout.mean(),
                              .jitter = layout.jitter(),
                              .parameters = layout.parameters()};
  check(launch_finish_likelihood(context_.stream(), shape, Theta(theta), parts, dtheta, out),
        "finishing a likelihood");
}

void CudaBackend::waves(ConstView waves, ConstView u, View out) {
  require(waves.rows == u.rows + 2 && out.rows == waves.columns && out.columns == u.columns && out.batch == 1,
          "waves: the shapes do not match");
  gemm(1, {waves.data, u.rows, waves.columns, waves.leading}, Transpose::yes, u, Transpose::no, 0, out);
  check(launch_waves(context_.stream(), waves, out), "waves");
}

}  // namespace krigon::cuda
