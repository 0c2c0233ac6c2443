#include "model/vecchia_anchors.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/blas.hpp"
#include "backend/stripes.hpp"
#include "model/likelihood.hpp"

namespace krigon::detail {

namespace {

/// Candidates of a task, of few and of many: by their number alone, since a product's last bits may depend
/// on how many columns it has.
constexpr std::size_t kFew = 5;
constexpr std::size_t kMany = 16;
constexpr std::size_t kManyFrom = 128;
constexpr std::size_t kColumns = 64;  ///< of V that a task makes
constexpr double kLeast = 1e-18;      ///< variance, of the signal's

std::int64_t count_of(std::size_t size) {
  return static_cast<std::int64_t>(size);
}

double dot(std::int64_t n, const double* a, const double* b) {
  return blas_dot(n, a, 1, b, 1);
}

}  // namespace

/// A candidate's neighbours.
struct AnchoredPredictor::Near {
  std::int64_t count = 0;
  std::int64_t leading = 0;
  std::vector<double> x;       ///< column-major, padded
  std::vector<double> v;       ///< V_N
  std::vector<double> weight;  ///< what the derivatives of k(N, x) share
  std::vector<double> a, b;    ///< C^-1 of the residuals, of c
};

struct AnchoredPredictor::Space {
  std::vector<double> v, weight;  ///< a column a candidate
  std::vector<double> back;       ///< the anchors' weights, of the mean, then of the variance
  std::vector<Near> near = std::vector<Near>(kMany);
  std::vector<double> rows, prior, factor, cross, g;
};

AnchoredPredictor::~AnchoredPredictor() = default;

AnchoredPredictor::AnchoredPredictor(Pool& pool, const Tiles& tiles, const VecchiaTiles& search,
                                     const Model& model, std::span<const double> points,
                                     std::span<const double> targets, std::span<const double> known,
                                     std::span<const std::int32_t> anchors, std::size_t neighbours)
    : pool_(pool),
      tiles_(tiles),
      search_(search),
      model_(model),
      width_(neighbours),
      anchors_(count_of(anchors.size())),
      leading_(padded_rows(anchors_)),
      anchor_x_(size_of(leading_) * model.dims, 0.0),
      factor_(size_of(leading_ * std::max<std::int64_t>(anchors_, 1)), 0.0),
      solved_(size_of(leading_), 0.0),
      spaces_(size_of(pool.threads())) {
  const SerialBlas serial;
  const std::size_t dims = model.dims;
  std::vector<char> taken(targets.size(), 0);
  std::vector<double> rows;
  for (std::int64_t a = 0; a < anchors_; ++a) {
    const auto i = static_cast<std::size_t>(anchors[size_of(a)]);
    taken[i] = 1;
    for (std::size_t k = 0; k < dims; ++k) {
      anchor_x_[k * size_of(leading_) + size_of(a)] = points[i * dims + k];
      rows.push_back(points[i * dims + k]);
    }
  }
  Stripes stripes;
  stripes.resize(tiles_, anchors_);
  for (const double jitter : kJitterSteps) {
    if (anchors_ == 0) {
      ok_ = true;
      break;
    }
    tiles_.gram(static_cast<std::int32_t>(model.kind), anchors_, anchors_, count_of(dims), anchor_x_.data(),
                leading_, rows.data(), count_of(dims), model.signal, factor_.data(), leading_, nullptr, 0,
                false, 0);
    for (std::int64_t a = 0; a < anchors_; ++a) {
      const auto i = static_cast<std::size_t>(anchors[size_of(a)]);
      factor_[size_of(a * leading_ + a)] += model.noise + known[i] + jitter * (model.signal + model.noise);
      solved_[size_of(a)] = targets[i] - model.mean;
    }
    stripes.set_columns(0, anchors_, factor_.data(), leading_);
    if (stripes.factorise(pool_) != 0) continue;
    stripes.copy_factor(factor_.data(), leading_);
    blas_solve_vector(false, anchors_, factor_.data(), leading_, solved_.data());
    jitter_ = jitter;
    ok_ = std::all_of(solved_.begin(), solved_.end(), [](double y) { return std::isfinite(y); });
    break;
  }
  if (!ok_) return;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (taken[i] != 0) continue;
    x_.insert(x_.end(), points.begin() + static_cast<std::ptrdiff_t>(i * dims),
              points.begin() + static_cast<std::ptrdiff_t>((i + 1) * dims));
    residual_.push_back(targets[i] - model.mean);
    known_.push_back(known[i]);
  }
  v_.resize(size_of(leading_) * residual_.size());
  conditioned(0, residual_.size());
}

void AnchoredPredictor::conditioned(std::size_t first, std::size_t count) {
  if (anchors_ == 0) return;
  const std::size_t dims = model_.dims;
  pool_.run(count_of((count + kColumns - 1) / kColumns), [&](std::int64_t task, int) {
    const std::size_t begin = first + size_of(task) * kColumns;
    const auto columns = count_of(std::min(kColumns, first + count - begin));
    double* v = &v_[begin * size_of(leading_)];
    tiles_.gram(static_cast<std::int32_t>(model_.kind), anchors_, columns, count_of(dims), anchor_x_.data(),
                leading_, &x_[begin * dims], count_of(dims), model_.signal, v, leading_, nullptr, 0, false,
                0);
    blas_solve_left(false, anchors_, columns, 1.0, factor_.data(), leading_, v, leading_);
    for (std::int64_t j = 0; j < columns; ++j) {
      residual_[begin + size_of(j)] -= dot(anchors_, v + j * leading_, solved_.data());
    }
  });
}

void AnchoredPredictor::add(std::span<const double> point, double target, double known) {
  const SerialBlas serial;
  x_.insert(x_.end(), point.begin(), point.end());
  residual_.push_back(target - model_.mean);
  known_.push_back(known);
  v_.resize(size_of(leading_) * residual_.size());
  conditioned(residual_.size() - 1, 1);
  nearest_.reset();
}

void AnchoredPredictor::drop(std::size_t count) {
  const std::size_t left = residual_.size() - count;
  x_.resize(left * model_.dims);
  residual_.resize(left);
  known_.resize(left);
  v_.resize(size_of(leading_) * left);
  nearest_.reset();
}

std::size_t AnchoredPredictor::predict(std::span<const double> z, std::span<double> mean,
                                       std::span<double> variance, std::span<double> by_z) {
  const SerialBlas serial;
  const std::size_t m = mean.size();
  const std::size_t dims = model_.dims;
  const std::size_t k = std::min(width_, residual_.size());
  std::vector<std::int32_t> neighbours(m * k);
  if (k > 0) {
    if (nearest_ == nullptr) nearest_ = std::make_unique<NearestPoints>(search_, x_, dims);
    nearest_->find(pool_, z, k, neighbours);
  }
  std::fill(mean.begin(), mean.end(), std::numeric_limits<double>::quiet_NaN());
  std::fill(variance.begin(), variance.end(), std::numeric_limits<double>::quiet_NaN());
  const std::size_t chunk = m < kManyFrom ? kFew : kMany;
  std::vector<char> lost(m, 0);
  pool_.run(count_of((m + chunk - 1) / chunk), [&](std::int64_t task, int worker) {
    Space& space = spaces_[size_of(worker)];
    const std::size_t first = size_of(task) * chunk;
    const std::size_t count = std::min(chunk, m - first);
    const double* at = &z[first * dims];
    space.v.resize(size_of(leading_) * kMany);
    space.weight.resize(size_of(leading_) * kMany);
    if (anchors_ > 0) {
      tiles_.gram(static_cast<std::int32_t>(model_.kind), anchors_, count_of(count), count_of(dims),
                  anchor_x_.data(), leading_, at, count_of(dims), model_.signal, space.v.data(), leading_,
                  space.weight.data(), leading_, false, 0);
      blas_solve_left(false, anchors_, count_of(count), 1.0, factor_.data(), leading_, space.v.data(),
                      leading_);
    }
    for (std::size_t j = 0; j < count; ++j) {
      const auto near = std::span(neighbours).subspan((first + j) * k, k);
      const auto found = static_cast<std::size_t>(std::find(near.begin(), near.end(), -1) - near.begin());
      double& to_mean = mean[first + j];
      double& to_variance = variance[first + j];
      if (moments(space, j, near.first(found), at + j * dims, to_mean, to_variance)) continue;
      if (moments(space, j, {}, at + j * dims, to_mean, to_variance)) lost[first + j] = 1;
    }
    if (!by_z.empty()) derivatives(space, count, at, &by_z[first * 2 * dims]);
  });
  return static_cast<std::size_t>(std::count(lost.begin(), lost.end(), 1));
}

bool AnchoredPredictor::moments(Space& space, std::size_t j, std::span<const std::int32_t> neighbours,
                                const double* z, double& mean, double& variance) const {
  const std::size_t dims = model_.dims;
  const auto m = count_of(neighbours.size());
  const std::int64_t ld = padded_rows(m);
  const auto lead = size_of(leading_);
  const double* v = &space.v[j * lead];
  Near& near = space.near[j];
  near.count = m;
  near.leading = ld;
  near.x.assign(size_of(ld) * dims, 0.0);
  near.v.resize(std::max<std::size_t>(1, lead * neighbours.size()));
  near.weight.assign(size_of(ld), 0.0);
  near.a.assign(size_of(ld), 0.0);
  near.b.assign(size_of(ld), 0.0);
  space.rows.clear();
  for (std::int64_t i = 0; i < m; ++i) {
    const auto point = static_cast<std::size_t>(neighbours[size_of(i)]);
    for (std::size_t d = 0; d < dims; ++d) {
      near.x[d * size_of(ld) + size_of(i)] = x_[point * dims + d];
      space.rows.push_back(x_[point * dims + d]);
    }
    std::copy_n(&v_[point * lead], anchors_, &near.v[size_of(i) * lead]);
  }
  double mean_here = dot(anchors_, v, solved_.data());
  double left = model_.signal - dot(anchors_, v, v);
  if (m > 0) {
    const auto kind = static_cast<std::int32_t>(model_.kind);
    space.prior.resize(size_of(ld * m));
    space.factor.resize(size_of(ld * m));
    space.cross.resize(size_of(ld));
    tiles_.gram(kind, m, m, count_of(dims), near.x.data(), ld, space.rows.data(), count_of(dims),
                model_.signal, space.prior.data(), ld, nullptr, 0, false, 0);
    tiles_.gram(kind, m, 1, count_of(dims), near.x.data(), ld, z, count_of(dims), model_.signal,
                space.cross.data(), ld, near.weight.data(), ld, false, 0);
    // C negated, so that V_N' V_N is added.
    for (double& entry : space.prior) entry = -entry;
    if (anchors_ > 0) {
      blas_syrk_transposed_add(m, anchors_, near.v.data(), leading_, space.prior.data(), ld);
      blas_gemm(true, false, m, 1, anchors_, -1.0, near.v.data(), leading_, v, leading_, 1.0,
                space.cross.data(), ld);
    }
    bool fine = false;
    for (const double jitter : kJitterSteps) {
      for (std::int64_t c = 0; c < m; ++c) {
        for (std::int64_t r = c; r < m; ++r) {
          space.factor[size_of(c * ld + r)] = -space.prior[size_of(c * ld + r)];
        }
        space.factor[size_of(c * ld + c)] += model_.noise + jitter * (model_.signal + model_.noise) +
                                             known_[static_cast<std::size_t>(neighbours[size_of(c)])];
      }
      fine = lapack_cholesky(m, space.factor.data(), ld) == 0;
      for (std::int64_t c = 0; c < m; ++c) fine = fine && std::isfinite(space.factor[size_of(c * ld + c)]);
      if (fine) break;
    }
    if (!fine) return false;
    for (std::int64_t i = 0; i < m; ++i) {
      near.a[size_of(i)] = residual_[static_cast<std::size_t>(neighbours[size_of(i)])];
      near.b[size_of(i)] = space.cross[size_of(i)];
    }
    blas_solve_vector(false, m, space.factor.data(), ld, near.a.data());
    blas_solve_vector(false, m, space.factor.data(), ld, near.b.data());
    mean_here += dot(m, near.a.data(), near.b.data());
    left -= dot(m, near.b.data(), near.b.data());
    blas_solve_vector(true, m, space.factor.data(), ld, near.a.data());
    blas_solve_vector(true, m, space.factor.data(), ld, near.b.data());
  }
  if (!std::isfinite(mean_here) || !std::isfinite(left)) return false;
  mean = model_.mean + mean_here;
  variance = std::max(left, kLeast * model_.signal);
  return true;
}

void AnchoredPredictor::derivatives(Space& space, std::size_t count, const double* z, double* by_z) const {
  const std::size_t dims = model_.dims;
  const auto lead = size_of(leading_);
  // The weights of the anchors' values, given those of the neighbours': L^-T (y - V_N a), L^-T (v - V_N b).
  space.back.resize(2 * lead * kMany);
  for (std::size_t j = 0; anchors_ > 0 && j < count; ++j) {
    const Near& near = space.near[j];
    double* of_mean = &space.back[2 * j * lead];
    double* of_variance = of_mean + lead;
    std::copy_n(solved_.data(), anchors_, of_mean);
    std::copy_n(&space.v[j * lead], anchors_, of_variance);
    if (near.count == 0) continue;
    blas_gemm(false, false, anchors_, 1, near.count, -1.0, near.v.data(), leading_, near.a.data(),
              near.leading, 1.0, of_mean, leading_);
    blas_gemm(false, false, anchors_, 1, near.count, -1.0, near.v.data(), leading_, near.b.data(),
              near.leading, 1.0, of_variance, leading_);
  }
  if (anchors_ > 0) {
    blas_solve_left(true, anchors_, count_of(2 * count), 1.0, factor_.data(), leading_, space.back.data(),
                    leading_);
  }
  const std::vector<double> ones(dims, 1.0);
  std::vector<double> part(dims);
  for (std::size_t j = 0; j < count; ++j) {
    const Near& near = space.near[j];
    space.g.resize(std::max(lead, size_of(near.leading)));
    const double* of_mean = &space.back[2 * j * lead];
    for (std::size_t which = 0; which < 2; ++which) {
      const double a = which == 0 ? 1.0 : 0.0;
      const double b = which == 0 ? 0.0 : -2.0;
      double* to = by_z + (2 * j + which) * dims;
      tiles_.pull_back(anchors_, count_of(dims), a, b, of_mean, of_mean + lead, &space.weight[j * lead],
                       anchor_x_.data(), leading_, z + j * dims, ones.data(), space.g.data(), to);
      tiles_.pull_back(near.count, count_of(dims), a, b, near.a.data(), near.b.data(), near.weight.data(),
                       near.x.data(), near.leading, z + j * dims, ones.data(), space.g.data(), part.data());
      for (std::size_t d = 0; d < dims; ++d) to[d] += part[d];
    }
  }
}

}  // namespace krigon::detail
