#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/view.hpp"

namespace krigon {

/// What `krigon doctor` prints about a backend.
struct BackendInfo {
  std::string device;         ///< "cpu"
  std::string instructions;   ///< of our own loops: "baseline", "avx2", "avx512"
  std::string blas;           ///< version and build options
  std::string blas_core;      ///< the kernels that the BLAS chose, e.g. "Haswell"
  std::string blas_parallel;  ///< "openmp", "pthread" or "sequential"
  int threads = 1;
  std::vector<std::string> warnings;  ///< in words, with what to do
};

/// Doubles resident on a backend; frees them when it goes. Move-only. Must not outlive its backend.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  double* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  friend class Backend;
  Buffer(class Backend* owner, double* data, std::size_t size) : owner_(owner), data_(data), size_(size) {}

  class Backend* owner_ = nullptr;
  double* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The training data of one Gaussian process as the host has it.
struct HostData {
  std::int64_t n = 0;
  std::span<const double> columns;       ///< n x D, row-major
  std::span<const double> targets;       ///< n, model units
  std::span<const std::int32_t> groups;  ///< D entries in [0, G)
};

/// Training data on the device. Only the backend that made it reads it.
class ResidentData {
 public:
  virtual ~ResidentData() = default;
  std::int64_t n = 0;
  std::int64_t columns = 0;  ///< D
  std::int64_t groups = 0;   ///< G
};

/// A factorised Gaussian process on the device, with its work space: one call at a time.
class ResidentPosterior {
 public:
  virtual ~ResidentPosterior() = default;
  std::int64_t n = 0;
  std::int64_t columns = 0;
};

enum class Transpose { no, yes };

/// THE SEAM between what is the same everywhere and what a device does. Batch first, over buffers that
/// stay on the device. Every call is ordered after the calls before it (a stream); nothing comes back
/// to the host except through download(), which waits. Numerical failure is a number in an `info`
/// row or entry, never an exception; shapes that cannot be are a UsageError; a device's fault throws
/// EnvironmentError.
///
/// `theta`, one column per problem, G + 4 rows:
///   0 .. G-1   ln lengthscale of each group
///   G          ln signal variance s2
///   G + 1      ln noise variance t2
///   G + 2      constant mean
///   G + 3      jitter, relative to K's mean diagonal: jitter * (s2 + t2) is added to the diagonal
///
/// info values: 0 fine; k > 0 the leading minor of order k is not positive definite; -1 not finite.
///
/// Members of one batch never influence each other: a failing member leaves the others' bits alone.
/// One object is used by one thread at a time.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;

  // Memory. Buffers come zero-filled, aligned for vectors.
  Buffer allocate(std::size_t count);
  virtual void upload(std::span<const double> from, double* to) = 0;
  virtual void download(const double* from, std::span<double> to) = 0;

  // Primitives.

  /// a := L, lower, of a = L L' (only the lower triangle is read or written). info: one per member.
  virtual void cholesky(View a, double* info) = 0;
  /// The lower triangle of a := (L L')^-1, given L in it.
  virtual void cholesky_inverse(View a) = 0;
  /// The lower triangle of l := l^-1.
  virtual void triangular_inverse(View l) = 0;
  /// b := L^-1 b or L^-T b.
  virtual void triangular_solve(ConstView l, Transpose transpose, View b) = 0;
  /// c := alpha op(a) op(b) + beta c.
  virtual void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose,
                    double beta, View c) = 0;
  /// Covariances between the points of `x` (D x n, a column is a point already divided by the
  /// lengthscales) and those of `z` (D x m): k(i, j) = signal Matern52(|x_i - z_j|), n x m.
  /// `weight`, n x m or empty, takes signal times the derivative weight of kernels/matern52.hpp.
  virtual void gram(ConstView x, ConstView z, double signal, View k, View weight) = 0;

  // Coarse operations.

  virtual std::unique_ptr<ResidentData> load(const HostData& data) = 0;
  /// The log marginal likelihood of each column of theta and its gradient with respect to theta's
  /// first G + 3 rows. `out`, G + 5 rows: info, value, gradient. Where info is not 0 the rest is NaN.
  virtual void mll_value_grad(ResidentData& data, ConstView theta, View out) = 0;
  /// Factorises for one column of theta. info: one value; where it is not 0 the object is unusable.
  virtual std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) = 0;
  /// Mean and variance (without noise) at each column of x (D x m). out: 2 x m, rows mean, variance;
  /// the variance may round to a little below 0. m = 0 is fine.
  virtual void posterior(ResidentPosterior& model, ConstView x, View out) = 0;
  /// The same, keeping what posterior_vjp needs.
  virtual void posterior_for_vjp(ResidentPosterior& model, ConstView x, View out) = 0;
  /// dx(:, j) := adjoint(0, j) d mean_j / d x_j + adjoint(1, j) d variance_j / d x_j for the points of
  /// the last posterior_for_vjp; adjoint is 2 x m, dx D x m.
  virtual void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) = 0;
  /// Adds the points of x (D x k), one after another: with `targets` (k), or, where that is null, with
  /// the posterior mean as target, which leaves every mean as it is. Where the new diagonal would not
  /// be positive, it is raised to 1e-10 (s2 + t2).
  virtual void append(ResidentPosterior& model, ConstView x, const double* targets) = 0;
  /// Takes the newest points off again, down to n. Only points added without targets may go.
  virtual void truncate(ResidentPosterior& model, std::int64_t n) = 0;
  /// The targets as the factor holds them (n), fantasies included.
  virtual void targets(ResidentPosterior& model, View out) = 0;

 private:
  friend class Buffer;
  virtual double* allocate_doubles(std::size_t count) = 0;
  virtual void free_doubles(double* data) noexcept = 0;
};

/// 0 threads: KRIGON_THREADS, else OpenMP's own setting (OMP_NUM_THREADS), in both cases no more than
/// the process may run on. KRIGON_SIMD = baseline | avx2 | avx512 holds the loops to less than the CPU has.
struct CpuOptions {
  int threads = 0;
  std::string simd;  ///< as KRIGON_SIMD; empty: that variable, else the best that the CPU has
};
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options = {});

/// The instruction sets that make_cpu_backend accepts here, the plainest first.
std::vector<std::string> cpu_simd_choices();

}  // namespace krigon
