#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.hpp"
#include "backend/pool.hpp"
#include "backend/tiles.hpp"

namespace krigon::detail {

/// Memory aligned for vectors that only grows. Zero-filled when it does, what it held lost.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() = default;
  Scratch(Scratch&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  double* need(std::size_t count);
  std::size_t size() const { return size_; }
  double* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(double* data) const noexcept;
  };
  std::unique_ptr<double[], Free> data_;
  std::size_t size_ = 0;
};

/// What one evaluation of the likelihood needs.
struct LikelihoodSpace {
  Scratch points;             ///< n x D, padded, scaled and centred
  Scratch transposed;         ///< D x n, the same
  Scratch covariance;         ///< n x n, padded: K, then L
  Scratch weight;             ///< n x n, padded
  Scratch inverse;            ///< n x n, padded: L^-1
  Scratch alpha;              ///< n
  Scratch partial;            ///< per tile of the gradient: D sums, then the trace of K^-1
  std::vector<Scratch> tile;  ///< per worker
};

class CpuData final : public ResidentData {
 public:
  std::vector<double> points;       ///< D x n: a column is a point
  std::vector<double> centre;       ///< D: the points' mean
  std::vector<double> targets;      ///< n
  std::vector<std::int32_t> group;  ///< D
};

/// Scratch memory handed back for the next user. Fresh memory costs a page fault every 4 kB, which at a
/// few hundred points is as dear as the factorisation.
class SpareMemory {
 public:
  /// At least `count` doubles; what they hold is anybody's guess.
  Scratch take(std::size_t count);
  void give(Scratch scratch) noexcept;

 private:
  static constexpr std::size_t kKept = 8;
  std::vector<Scratch> spares_ = std::vector<Scratch>(kKept);  // so that give() never allocates
};

class CpuPosterior final : public ResidentPosterior {
 public:
  explicit CpuPosterior(SpareMemory& spare) : spare_(&spare) {}
  ~CpuPosterior() override { release(); }
  CpuPosterior(const CpuPosterior&) = delete;
  CpuPosterior& operator=(const CpuPosterior&) = delete;

  /// Hands the matrices back.
  void release() noexcept;
  SpareMemory& spare() const { return *spare_; }

  std::int64_t capacity = 0;  ///< points that fit
  std::int64_t leading = 0;   ///< padded_rows(capacity)
  std::int64_t fixed = 0;     ///< truncate may not go below
  double signal = 1;
  double noise = 0;  ///< with the jitter
  double floor = 0;  ///< smallest square of a new diagonal
  double mean = 0;
  std::vector<double> inverse_length;  ///< D
  std::vector<double> target;          ///< n
  Scratch points;                      ///< capacity x D, padded, scaled
  Scratch factor;                      ///< L, capacity x capacity, padded
  Scratch alpha;                       ///< K^-1 (target - mean)
  Scratch panels;                      ///< L^-1, packed by rows
  Scratch transposed_panels;           ///< L^-T, packed by rows
  std::vector<std::int64_t> panel_offset;
  std::vector<std::int64_t> transposed_offset;
  std::vector<Scratch> work;  ///< per worker
  Scratch candidates;         ///< of posterior_for_vjp: D x m, scaled
  Scratch weights;            ///< leading x m
  Scratch solved;             ///< leading x m: L^-1 k
  std::int64_t kept = 0;      ///< m

 private:
  SpareMemory* spare_;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const Tiles& tiles);

  BackendInfo info() const override;
  void upload(std::span<const double> from, double* to) override;
  void download(const double* from, std::span<double> to) override;
  void cholesky(View a, double* info) override;
  void cholesky_inverse(View a) override;
  void triangular_inverse(View l) override;
  void triangular_solve(ConstView l, Transpose transpose, View b) override;
  void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose, double beta,
            View c) override;
  void gram(ConstView x, ConstView z, double signal, View k, View weight) override;
  std::unique_ptr<ResidentData> load(const HostData& data) override;
  void mll_value_grad(ResidentData& data, ConstView theta, View out) override;
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) override;
  void posterior(ResidentPosterior& model, ConstView x, View out) override;
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, View out) override;
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override;
  void append(ResidentPosterior& model, ConstView x, const double* targets) override;
  void truncate(ResidentPosterior& model, std::int64_t n) override;
  void targets(ResidentPosterior& model, View out) override;

 private:
  double* allocate_doubles(std::size_t count) override;
  void free_doubles(double* data) noexcept override;

  /// Fills K's lower triangle (and the weights') with the noise on the diagonal.
  void fill_covariance(const CpuData& data, const double* theta, LikelihoodSpace& space, bool weights);
  void evaluate_likelihood(const CpuData& data, const double* theta, LikelihoodSpace& space, double* out);
  void allocate_posterior(CpuPosterior& model, std::int64_t capacity) const;
  void pack_inverse(CpuPosterior& model, const double* inverse, std::int64_t ld);
  void grow(CpuPosterior& model, std::int64_t capacity);
  void append_one(CpuPosterior& model, const double* x, const double* target);
  void solve_alpha(CpuPosterior& model);
  void evaluate_posterior(CpuPosterior& model, ConstView x, View out, bool keep);
  /// v := L^-1 k or L^-T v for `columns` columns.
  void multiply_inverse(const CpuPosterior& model, bool transpose, const double* x, std::int64_t columns,
                        double* out) const;
  std::int64_t chunk_of(const CpuPosterior& model, std::int64_t m) const;

  const Tiles& tiles_;
  Pool pool_;
  /// One per thread, kept between calls: fresh memory costs a page fault every 4 kB.
  std::vector<LikelihoodSpace> spaces_;
  SpareMemory spare_;
};

}  // namespace krigon::detail
