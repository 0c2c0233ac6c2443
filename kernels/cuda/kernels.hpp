#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "backend/backend.hpp"
#include "kernels/cuda/matrix.hpp"

/// The launchers of this backend's own kernels. Each queues its work on `stream` and returns the launch's
/// error; shapes were checked before. An empty batch or matrix launches nothing.
namespace krigon::cuda {

// covariance.cu
cudaError_t launch_features(cudaStream_t stream, const CovarianceTable& table, Input x, Theta theta, Output u,
                            std::int64_t batch);
/// `sums`: 2 F doubles a member of scratch memory.
cudaError_t launch_features_vjp(cudaStream_t stream, const CovarianceTable& table, Input x, Theta theta,
                                Input du, Output dtheta, Output dx, std::int64_t batch, double* sums);
cudaError_t launch_gram(cudaStream_t stream, const CovarianceTable& table, Input u, Input v, Theta theta,
                        Output k, std::int64_t batch);

// gram_vjp.cu
/// How the adjoint of gram is cut up: a function of the shapes alone, so that results do not depend on the
/// device or on the batch.
struct GramVjpPlan {
  std::int64_t tiles = 0;         ///< of points that get an adjoint
  std::int64_t splits = 0;        ///< of the points that they are paired with
  std::int64_t split_tiles = 0;   ///< tiles of each split
  std::int64_t feature_sums = 0;  ///< doubles of scratch memory a member
  std::int64_t signal_sums = 0;

  GramVjpPlan(const CovarianceTable& table, std::int64_t points, std::int64_t others, bool features,
              bool signals);
};
/// Adds to dp (F x points) and to dtheta, either may be empty. dk is points x others, or others x points
/// where `transposed`. `sums`: the plan's feature_sums and signal_sums for every member. With scale 2, dp
/// gets twice its share.
cudaError_t launch_gram_vjp(cudaStream_t stream, const CovarianceTable& table, const GramVjpPlan& plan,
                            Input points, Input others, Theta theta, Input dk, bool transposed, double scale,
                            Output dp, Output dtheta, std::int64_t batch, double* sums);

// elementwise.cu
cudaError_t launch_add(cudaStream_t stream, double alpha, Input a, double beta, Output b, std::int64_t batch);
cudaError_t launch_reduce(cudaStream_t stream, Reduction reduction, Input a, Input b, Output out,
                          std::int64_t batch);
cudaError_t launch_add_noise(cudaStream_t stream, const CovarianceTable& table, Theta theta, Input noise,
                             Output k, std::int64_t batch);
cudaError_t launch_likelihood_adjoint(cudaStream_t stream, Input alpha, Output k, std::int64_t batch);
struct LikelihoodShape {
  std::int64_t n = 0, outputs = 0, signal = 0, noise = 0, mean = 0, jitter = 0, parameters = 0;
};
cudaError_t launch_finish_likelihood(cudaStream_t stream, LikelihoodShape shape, Theta theta, Input parts,
                                     Input dtheta, Output out);
/// out := amplitude cos(out + phase), rows F and F + 1 of waves.
cudaError_t launch_waves(cudaStream_t stream, Input waves, Output out);

// factor.cu
/// pointers[b] := the first entry of member b.
cudaError_t launch_pointers(cudaStream_t stream, double* data, std::int64_t stride, std::int64_t batch,
                            double** pointers);
/// flags[b] := whether a's lower triangle holds a value that is not finite.
cudaError_t launch_flag_not_finite(cudaStream_t stream, Input a, std::int64_t batch, int* flags);
/// info[b] := -1 where flags[b] or the factor's diagonal is not finite, else the solver's word.
cudaError_t launch_info(cudaStream_t stream, Input l, std::int64_t batch, const int* flags, const int* solver,
                        double* info);
/// `inverse` := 0 but for its blocks of kInvertedBlock on the diagonal, the inverses of l's.
constexpr std::int64_t kInvertedBlock = 32;
cudaError_t launch_invert_blocks(cudaStream_t stream, Input l, Output inverse, std::int64_t batch);
/// The lower triangle of `to` := that of `from`.
cudaError_t launch_copy_lower(cudaStream_t stream, Input from, Output to, std::int64_t batch);
/// The last row of l := `solved` (n x 1) and its diagonal entry, from row(n) and `solved`.
cudaError_t launch_append_row(cudaStream_t stream, Input solved, Input row, double floor, Output l);
/// `change`: n doubles of scratch memory.
cudaError_t launch_remove_point(cudaStream_t stream, Output l, std::int64_t index, double* change);

// moments.cu: means and variances of single points, where the composition would make a 1 x 1 batch of each.
/// out(o, j) := c + k_j' alpha_o, out(T, j) := prior variance at z_j - |v_j|^2.
cudaError_t launch_moments(cudaStream_t stream, const CovarianceTable& table, Input z, Input k, Input v,
                           Input alpha, Theta theta, Output out);
/// w(i, j) := -2 v(i, j) adjoint(T, j).
cudaError_t launch_variance_adjoint(cudaStream_t stream, Input v, Input adjoint, Output w);
/// dz_j += adjoint(T, j) times the prior variance's gradient, which only linear factors have.
cudaError_t launch_prior_vjp(cudaStream_t stream, const CovarianceTable& table, Input z, Theta theta,
                             Input adjoint, Output dz);

// top_k.cu
cudaError_t launch_top_k(cudaStream_t stream, Input values, Output out, std::int64_t batch);

}  // namespace krigon::cuda
