#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/composed.hpp"
#include "backend/pool.hpp"
#include "backend/scratch.hpp"
#include "backend/stripes.hpp"
#include "backend/tiles.hpp"

namespace krigon {
struct LikelihoodParts;
}

namespace krigon::detail {

/// What one evaluation of the likelihood needs.
struct LikelihoodSpace {
  Scratch points;             ///< n x D, padded, scaled and centred
  Scratch transposed;         ///< D x n, the same
  Stripes stripes;            ///< K, then L and L^-T
  Scratch weight;             ///< n x n, padded; not where memory is dear
  Scratch alpha;              ///< n, padded: L^-1 r, then K^-1 r
  Scratch partial;            ///< per tile of the gradient: D sums, then the trace of K^-1
  Scratch group_sums;         ///< G
  Scratch lanes;              ///< of thetas by lanes: all that they work in
  std::vector<Scratch> tile;  ///< per worker
};

/// Where a feature comes from.
struct FeatureMap {
  std::int64_t column = 0;
  std::int64_t group = 0;
  std::int64_t period = -1;  ///< none; else two features, cosine and sine
};

class CpuCovariance final : public ResidentCovariance {
 public:
  struct Factor {
    CovarianceKind kind;  ///< a periodic one is rbf over its features
    std::int64_t first;   ///< feature
    std::int64_t count;
    std::int64_t term;
  };
  std::vector<Factor> factors;
  std::vector<FeatureMap> map;
};

/// Data of a process with one stationary factor over all columns, which the fused code below is for;
/// others are ComposedData.
class CpuData final : public ResidentData {
 public:
  CovarianceKind kind = CovarianceKind::matern52;
  std::int64_t groups = 0;                ///< G
  std::vector<double> points;             ///< D x n: a column is a point
  std::vector<double> centre;             ///< D: the points' mean
  std::vector<double> targets;            ///< n x T
  std::vector<double> noise;              ///< n, or empty
  std::vector<std::int32_t> group;        ///< D
  std::unique_ptr<ResidentData> general;  ///< the same as ComposedData, once it is asked for
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
  CovarianceKind kind = CovarianceKind::matern52;
  double signal = 1;
  double noise = 0;  ///< with the jitter
  double floor = 0;  ///< smallest square of a new diagonal
  double mean = 0;
  std::vector<double> theta;           ///< with the jitter
  std::vector<std::int32_t> group;     ///< D
  std::vector<double> inverse_length;  ///< D
  // For paths: the covariance in its general form, and the features, D x n.
  std::shared_ptr<const ResidentCovariance> covariance;
  std::vector<double> features;
  Scratch target;             ///< capacity x T
  Scratch points;             ///< capacity x D, padded, scaled
  Scratch factor;             ///< L, capacity x capacity, padded
  Scratch alpha;              ///< K^-1 (target - mean), capacity x T
  Scratch panels;             ///< L^-1, packed by rows
  Scratch transposed_panels;  ///< L^-T, packed by rows
  std::vector<std::int64_t> panel_offset;
  std::vector<std::int64_t> transposed_offset;
  std::vector<Scratch> work;  ///< per worker
  Scratch candidates;         ///< of posterior_for_vjp: D x m, scaled
  Scratch weights;            ///< leading x m
  Scratch solved;             ///< leading x m: L^-1 k; of a few candidates, L^-T L^-1 k
  Scratch few;                ///< of a few candidates: the runs' shares of that
  std::int64_t kept = 0;      ///< m q
  std::int64_t kept_q = 1;

  double* alpha_of(std::int64_t output) const { return alpha.data() + output * capacity; }
  double* target_of(std::int64_t output) const { return target.data() + output * capacity; }

 private:
  SpareMemory* spare_;
};

class CpuBackend final : public ComposedBackend {
 public:
  CpuBackend(int threads, const Tiles& tiles, const CpuOptions& options);

  BackendInfo info() const override;
  void upload(std::span<const double> from, double* to) override;
  void download(const double* from, std::span<double> to) override;
  void cholesky(View a, double* info) override;
  void cholesky_inverse(View a) override;
  void triangular_inverse(View l) override;
  void triangular_solve(ConstView l, Transpose transpose, View b) override;
  void gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose, double beta,
            View c) override;
  void cholesky_append(View l, ConstView row, double floor) override;
  void cholesky_remove(View l, std::int64_t index) override;
  void add(double alpha, ConstView a, double beta, View b) override;
  void reduce(Reduction reduction, ConstView a, ConstView b, View out) override;
  void top_k(ConstView values, View out) override;
  std::unique_ptr<ResidentCovariance> load_covariance(const CovarianceSpec& spec) override;
  void features(const ResidentCovariance& covariance, ConstView x, ConstView theta, View u) override;
  void features_vjp(const ResidentCovariance& covariance, ConstView x, ConstView theta, ConstView du,
                    View dtheta, View dx) override;
  void gram(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta, View k) override;
  void gram_vjp(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta, ConstView dk,
                View du, View dv, View dtheta) override;
  void add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) override;
  void likelihood_adjoint(ConstView alpha, View k) override;
  void finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts, ConstView dtheta,
                         View out) override;
  void waves(ConstView waves, ConstView u, View out) override;

  std::unique_ptr<ResidentData> load(const HostData& data) override;
  void mll_value_grad(ResidentData& data, ConstView theta, View out) override;
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data, ConstView theta, double* info) override;
  void posterior(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  std::int64_t candidates_at_a_time(const ResidentPosterior& model) const override;
  void posterior_for_vjp(ResidentPosterior& model, ConstView x, std::int64_t q, View out) override;
  void posterior_vjp(ResidentPosterior& model, ConstView adjoint, View dx) override;
  void append(ResidentPosterior& model, ConstView x, const double* targets, const double* noise) override;
  void truncate(ResidentPosterior& model, std::int64_t n) override;
  void remove(ResidentPosterior& model, std::int64_t index) override;
  void targets(ResidentPosterior& model, View out) override;
  void weights(ResidentPosterior& model, View alpha, View inverse_diagonal) override;

 protected:
  PathBasis path_basis(ResidentPosterior& model) override;

 private:
  double* allocate_doubles(std::size_t count) override;
  void free_doubles(double* data) noexcept override;

  /// Tasks on all threads, or on this one alone where `entries` is too few to be worth it.
  template <typename Body>
  void run_tasks(std::int64_t count, std::int64_t entries, const Body& body) {
    if (entries < 16384) {
      Pool::alone([&] { pool_.run(count, body); });
    } else {
      pool_.run(count, body);
    }
  }
  /// gram_vjp with respect to the features of one side; dk is read transposed where that is u's.
  void pull_side(const CpuCovariance& covariance, const ConstView& all, const ConstView& side,
                 const ConstView& theta, const ConstView& dk, bool transposed, const View& out,
                 const View& dtheta);

  /// The lower triangle of one square matrix, in the worker's space.
  Stripes& in_stripes(const View& member, int worker);
  /// The data in the general form, made when it is first asked for.
  ResidentData& general(ResidentData& data);
  /// Fills K's lower triangle (and the weights') with the noise on the diagonal.
  void fill_covariance(const CpuData& data, const double* theta, LikelihoodSpace& space, bool weights);
  void evaluate_likelihood(const CpuData& data, const double* theta, LikelihoodSpace& space, double* out);
  /// mll_value_grad of a batch on few points, as many thetas at a time as a vector has lanes: cpu_lanes.cpp.
  void likelihood_by_lanes(const CpuData& data, ConstView theta, View out);
  void evaluate_lanes(const CpuData& data, ConstView theta, LikelihoodSpace& space, View out) const;
  /// The value and the gradient from their parts; known_trace = tr(W known noise).
  static void finish_plain(const CpuData& data, const double* theta, LikelihoodParts parts,
                           double known_trace, const double* group_sums, double* out);
  void allocate_posterior(CpuPosterior& model, std::int64_t capacity) const;
  /// inverse(row r, column i) at inverse[i * column_step + r * row_step].
  void pack_inverse(CpuPosterior& model, const double* inverse, std::int64_t column_step,
                    std::int64_t row_step);
  void pack_inverse(CpuPosterior& model, const Stripes& stripes);
  void grow(CpuPosterior& model, std::int64_t capacity);
  void append_one(CpuPosterior& model, const double* x, const double* targets, std::int64_t target_step,
                  double noise);
  void solve_alpha(CpuPosterior& model);
  void evaluate_posterior(CpuPosterior& model, ConstView x, std::int64_t q, View out, bool keep);
  /// Of one candidate group whose scaled points are z and whose columns of L^-1 k are v.
  void joint_covariance(const CpuPosterior& model, const double* z, const double* v, std::int64_t q,
                        double* covariance) const;
  /// v := L^-1 k or L^-T v for `columns` columns.
  void multiply_inverse(const CpuPosterior& model, bool transpose, const double* x, std::int64_t columns,
                        double* out) const;
  /// The same, the panels shared out.
  void multiply_inverse_shared(const CpuPosterior& model, bool transpose, const double* x,
                               std::int64_t columns, double* out);
  /// Rows of the product that these panels make.
  void multiply_panels(const CpuPosterior& model, bool transpose, const double* x, std::int64_t columns,
                       double* out, std::int64_t first_panel, std::int64_t last_panel) const;
  /// evaluate_posterior and posterior_vjp of a few single candidates: cpu_few.cpp.
  static bool are_few(const CpuPosterior& model, std::int64_t m);
  void evaluate_few(CpuPosterior& model, ConstView x, View out);
  void evaluate_few_for_vjp(CpuPosterior& model, ConstView x, View out);
  void pull_few(CpuPosterior& model, ConstView adjoint, View dx);
  /// k(X, x) and the mean; z: D x m takes the scaled candidates, weights may be null.
  void covary_few(const CpuPosterior& model, ConstView x, View out, double* z, double* k, double* weights);
  /// w := L^-T L^-1 k; square(j) := |L^-1 k_j|^2.
  void solve_few(CpuPosterior& model, const double* k, std::int64_t m, double* w, double* square);
  std::int64_t chunk_of(const CpuPosterior& model, std::int64_t m, std::int64_t q) const;

  const Tiles& tiles_;
  bool fused_;
  std::int64_t lean_above_;
  Pool pool_;
  /// One per thread, kept between calls: fresh memory costs a page fault every 4 kB.
  std::vector<LikelihoodSpace> spaces_;
  std::vector<Scratch> task_space_;
  Scratch feature_space_;  ///< of covariances: the features that all tasks read
  SpareMemory spare_;
};

}  // namespace krigon::detail
