#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/buffer.hpp"
#include "backend/covariance.hpp"
#include "backend/view.hpp"

namespace krigon {

/// What `krigon doctor` prints about a backend.
struct BackendInfo {
  std::string device;         ///< "cpu", "cuda:0"
  std::string instructions;   ///< of our own loops: "baseline", "avx2", "avx512", "sm_90"
  std::string blas;           ///< version and build options
  std::string blas_core;      ///< the kernels that the BLAS chose, e.g. "Haswell"
  std::string blas_parallel;  ///< "openmp", "pthread" or "sequential"
  int threads = 1;
  std::vector<std::string> warnings;  ///< what should be mended, in words, with how
};

/// The training data of Gaussian processes as the host has it.
struct HostData {
  std::int64_t n = 0;
  std::span<const double> columns;  ///< n x D, row-major
  /// n entries for each of T >= 1 outputs, one output after the other, in model units.
  std::span<const double> targets;
  /// n known noise variances, added to the diagonal; or empty.
  std::span<const double> noise;
  CovarianceSpec covariance;
};

/// Training data on the device. Only the backend that made it reads it.
class ResidentData {
 public:
  virtual ~ResidentData() = default;
  std::int64_t n = 0;
  std::int64_t columns = 0;  ///< D
  std::int64_t outputs = 1;  ///< T
  ThetaLayout layout;
};

/// A factorised Gaussian process on the device, with its work space: one call at a time.
class ResidentPosterior {
 public:
  virtual ~ResidentPosterior() = default;
  std::int64_t n = 0;
  std::int64_t columns = 0;
  std::int64_t outputs = 1;  ///< T: they share K
};

enum class Transpose { no, yes };

/// What reduce() makes of a member's a (and b).
enum class Reduction {
  dot,           ///< out(j) = sum_i a(i, j) b(i, j), one row a column
  sum,           ///< out(j) = sum_i a(i, j)
  log_diagonal,  ///< out(0) = sum_i ln a(i, i)
  trace,         ///< out(0) = sum_i a(i, i)
};

/// Prior functions drawn by random Fourier features (Rahimi and Recht 2007), on the host:
///   f_s(x) = sum_r weight(r, s) amplitude_r cos(frequency_r' u(x) + phase_r) + sum_k linear(k, s) u_k(x)
/// over the features u of the covariance.
struct HostPaths {
  std::int64_t samples = 0;             ///< S
  std::int64_t waves = 0;               ///< R
  std::span<const double> frequencies;  ///< F x R, column-major
  std::span<const double> phases;       ///< R
  std::span<const double> amplitudes;   ///< R
  std::span<const double> weights;      ///< R x S, column-major, standard normal
  std::span<const double> linear;       ///< F x S, column-major, or empty
  std::span<const double> noise;        ///< n x S, column-major: the observation noise that each path saw
};

/// Paths conditioned on the data: functions that can be evaluated anywhere.
class ResidentPaths {
 public:
  virtual ~ResidentPaths() = default;
  std::int64_t samples = 0;
};

/// THE SEAM between what is the same everywhere and what a device does. Batch first, over buffers that
/// stay on the device. Every call is ordered after the calls before it (a stream); nothing comes back
/// to the host except through download(), which waits. Numerical failure is a number in an `info`
/// row or entry, never an exception; shapes that cannot be are a UsageError; a device's fault throws
/// EnvironmentError.
///
/// Points are D x m: a column is a point; features F x m alike. Members of one batch never influence
/// each other: a failing member leaves the others' bits alone. Where a batch meets a theta, member b goes
/// with theta's column b. An input of one member (batch 1; a theta of one column) goes with every member
/// of the others; an output that is added to must have as many members as the batch. The same input gives
/// the same bits every time; how many members a batch has may change their last digits. One object is used by
/// one thread at a time.
///
/// info values: 0 fine; k > 0 the leading minor of order k is not positive definite; -1 not finite.
///
/// Two layers. The primitives are what a backend must have. The coarse operations are composed of them
/// once, in ComposedBackend; a backend overrides one where fusion pays, and the conformance suite holds
/// every override against the composition.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;

  // Memory. Buffers come zero-filled, aligned for vectors.
  Buffer allocate(std::size_t count);
  virtual void upload(std::span<const double> from, double* to) = 0;
  virtual void download(const double* from, std::span<double> to) = 0;

  // Primitives: dense linear algebra.

  /// a := L, lower, of a = L L' (only the lower triangle is read or written). info: one per member.
  virtual void cholesky(View a, double* info) = 0;
  /// The lower triangle of a := (L L')^-1, given L in it.
  virtual void cholesky_inverse(View a) = 0;
  /// The lower triangle of l := l^-1.
  virtual void triangular_inverse(View l) = 0;
  /// b := L^-1 b or L^-T b.
  virtual void triangular_solve(ConstView l, Transpose transpose, View b) = 0;
  /// c := alpha op(a) op(b) + beta c. With beta = 0, what c held does not matter, NaN included.
  virtual void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose,
                    double beta, View c) = 0;
  /// Row n of the factor L (n+1 x n+1, of which n x n is done) from the new point's covariances in
  /// `row` (n+1 entries: with the old points, then its own with noise): L(n, 0..n-1) = L^-1 row,
  /// L(n, n) = sqrt(max(row(n) - |L(n, 0..n-1)|^2, floor row(n))).
  virtual void cholesky_append(View l, ConstView row, double floor) = 0;
  /// Takes point `index` out of the factor: l's leading n-1 x n-1 becomes the factor without it. O(n^2).
  virtual void cholesky_remove(View l, std::int64_t index) = 0;

  // Primitives: elementwise and reductions.

  /// b := alpha a + beta b. A 1 x 1 `a` goes with every element. With beta = 0, what b held does not
  /// matter. An empty `a` (data null) counts as zero.
  virtual void add(double alpha, ConstView a, double beta, View b) = 0;
  /// out: a column per member, see Reduction. `b` as a, or empty.
  virtual void reduce(Reduction reduction, ConstView a, ConstView b, View out) = 0;
  /// The k largest of a member's column of values, largest first; among equals the first, NaN as
  /// -infinity. out, 2 x k: value, index.
  virtual void top_k(ConstView values, View out) = 0;

  // Primitives: covariances.

  virtual std::unique_ptr<ResidentCovariance> load_covariance(const CovarianceSpec& spec) = 0;
  /// u := features (F x m) of points x (D x m).
  virtual void features(const ResidentCovariance& covariance, ConstView x, ConstView theta, View u) = 0;
  /// The adjoint of features: given du (F x m), adds to dtheta (rows of the layout's parameters, a column
  /// per member; those of lengthscales and periods) and to dx (D x m). Either may be empty.
  virtual void features_vjp(const ResidentCovariance& covariance, ConstView x, ConstView theta, ConstView du,
                            View dtheta, View dx) = 0;
  /// k(i, j) := covariance of features u (F x n) and v (F x m), n x m.
  virtual void gram(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta,
                    View k) = 0;
  /// The adjoint of gram: given dk (n x m), adds to du (F x n), to dv (F x m) and to dtheta (the rows of
  /// the signal variances). Any may be empty; none may overlap another. Where u and v are the same points,
  /// du and dv hold a share each.
  virtual void gram_vjp(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta,
                        ConstView dk, View du, View dv, View dtheta) = 0;
  /// Adds t2 + jitter (sum s2 + t2) to k's diagonal, and `noise` (n x 1) where it is not empty.
  virtual void add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) = 0;
  /// k := (alpha alpha' - outputs k) / 2, alpha n x T: what a change of K does to the log likelihood
  /// where k holds K^-1 in its lower triangle. Both triangles are written.
  virtual void likelihood_adjoint(ConstView alpha, View k) = 0;
  /// Brings together what one likelihood is made of. `parts`, a column per member: info, log-determinant
  /// of L, sum of squares of L^-1 (y - c), sum of alpha, trace of the adjoint above. `dtheta` holds the
  /// gradients of lengthscales, periods and signal variances. out: see mll_value_grad.
  virtual void finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts, ConstView dtheta,
                                 View out) = 0;
  /// out(r, j) := amplitude_r cos(frequency_r' u_j + phase_r). waves: F + 2 x R, a column holds
  /// frequency, phase, amplitude. out: R x m.
  virtual void waves(ConstView waves, ConstView u, View out) = 0;

  // Coarse operations.

  virtual std::unique_ptr<ResidentData> load(const HostData& data) = 0;
  /// The log marginal likelihood of each column of theta, all outputs together (they share K), and its
  /// gradient with respect to the layout's parameters. `out`: info, value, gradient. Where info is not 0
  /// the rest is NaN.
  virtual void mll_value_grad(ResidentData& data, ConstView theta, View out) = 0;
  /// Factorises for one column of theta. info: one value; where it is not 0 the object is unusable.
  virtual std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) = 0;
  /// Joint moments (without noise) of q points at a time. x: D x m q; out: q T + q^2 rows and m columns:
  /// the means (output o at point i in row o q + i), then the covariance, q x q, column by column. The
  /// variance may round to a little below 0. m = 0 is fine. With q = 1, T = 1: mean, variance.
  virtual void posterior(ResidentPosterior& model, ConstView x, std::int64_t q, View out) = 0;
  /// The same, keeping what posterior_vjp needs.
  virtual void posterior_for_vjp(ResidentPosterior& model, ConstView x, std::int64_t q, View out) = 0;
  /// How many columns of x posterior_for_vjp is best given at a time: what it keeps of them, about 2 n
  /// doubles each, has to be near when posterior_vjp comes back for it.
  virtual std::int64_t candidates_at_a_time(const ResidentPosterior& model) const;
  /// The adjoint for the points of the last posterior_for_vjp: `adjoint` is shaped as `out` was, dx as x.
  virtual void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) = 0;
  /// Adds the points of x (D x k), one after another: with `targets` (k x T), or, where that is null,
  /// with the posterior mean as target, which leaves every mean as it is. Where the new diagonal would
  /// not be positive, it is raised to 1e-10 (s2 + t2). Known noise of the new points: `noise` (k), or null.
  virtual void append(ResidentPosterior& model, ConstView x, const double* targets, const double* noise) = 0;
  /// Takes the newest points off again, down to n. Only points added without targets may go.
  virtual void truncate(ResidentPosterior& model, std::int64_t n) = 0;
  /// Takes an observed point out, O(n^2). There may be no points without targets.
  virtual void remove(ResidentPosterior& model, std::int64_t index) = 0;
  /// The targets as the factor holds them (n x T), fantasies included.
  virtual void targets(ResidentPosterior& model, View out) = 0;
  /// K^-1 (targets - c) (n x T), and the diagonal of K^-1 (n x 1): what leave-one-out predictions and
  /// tests need. Points without targets have a weight of 0. Either may be empty.
  virtual void weights(ResidentPosterior& model, View alpha, View inverse_diagonal) = 0;
  /// Conditions prior functions on the data of output 0 by Matheron's rule (Wilson et al. 2020).
  virtual std::unique_ptr<ResidentPaths> prepare_paths(ResidentPosterior& model, const HostPaths& paths) = 0;
  /// out(s, j) := path s at point j. x: D x m, out: S x m.
  virtual void paths(ResidentPosterior& model, ResidentPaths& paths, ConstView x, View out) = 0;
  /// Path `sample` alone at points x (D x m): out, 1 x m, and its derivatives dx, D x m, unless that is
  /// empty.
  virtual void path(ResidentPosterior& model, ResidentPaths& paths, std::int64_t sample, ConstView x,
                    View out, View dx) = 0;

 private:
  friend class Buffer;
  virtual double* allocate_doubles(std::size_t count) = 0;
  virtual void free_doubles(double* data) noexcept = 0;
};

/// Where an exact process on the CPU begins to spare memory.
inline constexpr std::int64_t kLeanAbove = 6000;

/// 0 threads: KRIGON_THREADS, else OpenMP's own setting (OMP_NUM_THREADS), in both cases no more than
/// the process may run on. KRIGON_SIMD = baseline | avx2 | avx512 holds the loops to less than the CPU has.
struct CpuOptions {
  int threads = 0;
  std::string simd;   ///< as KRIGON_SIMD; empty: that variable, else the best that the CPU has
  bool fused = true;  ///< false: coarse operations as they are composed, slower; for comparison
  /// Above this many points a likelihood takes one n x n matrix instead of two, and a batch of them is not
  /// evaluated side by side. Lower: for tests.
  std::int64_t lean_above = kLeanAbove;
};
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options = {});

/// The instruction sets that make_cpu_backend accepts here, the plainest first.
std::vector<std::string> cpu_simd_choices();

}  // namespace krigon
