// The log marginal likelihood and its gradient (Rasmussen and Williams 2006, section 5.4).
//
//   K = s2 C + (t2 + jitter (s2 + t2)) I = L L',  r = y - c,  alpha = K^-1 r
//   log p = -r' alpha / 2 - sum ln L_ii - n/2 ln 2 pi
//   W = alpha alpha' - K^-1
//   d/d ln l_k = sum_{i > j} W_ij weight_ij (x_ik - x_jk)^2,   x scaled by 1/l
//   d/d ln s2 = tr(W s2 C) / 2,  d/d ln t2 = tr(W) t2 / 2,  d/d c = sum alpha
// and known noise variances of the points are on K's diagonal too.
//
// The inverse and its derivative are never whole: each tile of K^-1 is made from L^-T, turned into
// M = W o weight and reduced while it is in cache. One small product M X serves all lengthscales:
//   sum_ij M_ij (x_ik - x_jk)^2 = sum_i x_ik^2 (M 1)_i + sum_j x_jk^2 (M' 1)_j - 2 sum_i x_ik (M X)_ik.

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "kernels/likelihood.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

constexpr std::int64_t kGramColumns = 16;

/// Below this many points a factorisation is not worth sharing out.
constexpr std::int64_t kAloneBelow = 160;

/// Up to so many points a vector of matrices stays in the second-level cache.
constexpr std::int64_t kMostPointsOfLanes = 128;

}  // namespace

void CpuBackend::fill_covariance(const CpuData& data, const double* theta, LikelihoodSpace& space,
                                 bool weights) {
  const std::int64_t n = data.n;
  const std::int64_t dims = data.columns;
  const std::int64_t ld = padded_rows(n);
  double* points = space.points.need(static_cast<std::size_t>(ld * dims));
  double* transposed = space.transposed.need(static_cast<std::size_t>(n * dims));
  for (std::int64_t k = 0; k < dims; ++k) {
    const double scale = std::exp(-theta[data.group[static_cast<std::size_t>(k)]]);
    const double centre = data.centre[static_cast<std::size_t>(k)];
    for (std::int64_t i = 0; i < n; ++i) {
      const double value = (data.points[static_cast<std::size_t>(i * dims + k)] - centre) * scale;
      points[k * ld + i] = value;
      transposed[i * dims + k] = value;
    }
  }
  const double signal = std::exp(theta[data.groups]);
  const double noise = std::exp(theta[data.groups + 1]);
  const double diagonal = noise + theta[data.groups + 3] * (signal + noise);
  space.stripes.resize(tiles_, n);
  double* w = weights ? space.weight.need(static_cast<std::size_t>(ld * n)) : nullptr;
  pool_.run((n + kGramColumns - 1) / kGramColumns, [&](std::int64_t task, int worker) {
    const std::int64_t j = task * kGramColumns;
    const std::int64_t columns = std::min(kGramColumns, n - j);
    double* k = space.tile[size_of(worker)].need(size_of(ld * kGramColumns));
    tiles_.gram(static_cast<std::int32_t>(data.kind), n, columns, dims, points, ld, transposed + j * dims,
                dims, signal, k, ld, w == nullptr ? nullptr : w + j * ld, ld, true, j);
    for (std::int64_t c = 0; c < columns; ++c) {
      k[c * ld + j + c] += diagonal + (data.noise.empty() ? 0.0 : data.noise[size_of(j + c)]);
    }
    space.stripes.set_columns(j, columns, k, ld);
  });
}

void CpuBackend::finish_plain(const CpuData& data, const double* theta, LikelihoodParts parts,
                              double known_trace, const double* group_sums, double* out) {
  const std::int64_t groups = data.groups;
  const auto n = static_cast<double>(data.n);
  out[0] = parts.info;
  out[1] = log_likelihood(parts, n, 1);
  if (out[0] == 0 && !std::isfinite(out[1])) out[0] = -1;
  if (out[0] != 0) {
    std::fill(out + 1, out + groups + 5, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const double signal = std::exp(theta[groups]);
  const double noise = std::exp(theta[groups + 1]);
  const double jitter = theta[groups + 3];
  double* gradient = out + 2;
  std::copy_n(group_sums, groups, gradient);
  // tr(W s2 C) = tr(W K) - tr(W diagonal); tr(W K) = quadratic - n.
  const double diagonal = noise + jitter * (signal + noise);
  gradient[groups] = 0.5 * (parts.quadratic - n - known_trace) - diagonal * parts.trace +
                     jitter_signal_gradient(parts, signal, jitter);
  gradient[groups + 1] = noise_gradient(parts, noise, jitter);
  gradient[groups + 2] = parts.alpha_sum;
}

void CpuBackend::evaluate_likelihood(const CpuData& data, const double* theta, LikelihoodSpace& space,
                                     double* out) {
  const std::int64_t n = data.n;
  const std::int64_t dims = data.columns;
  const std::int64_t groups = data.groups;
  const std::int64_t ld = padded_rows(n);
  const double signal = std::exp(theta[groups]);
  const double mean = theta[groups + 2];
  // Memory is then dearer than the hundredth of the time that it takes to make the derivatives' weights a
  // second time.
  const bool lean = n > lean_above_;
  fill_covariance(data, theta, space, !lean);
  Stripes& stripes = space.stripes;
  LikelihoodParts parts{};
  parts.info = static_cast<double>(stripes.factorise(pool_));
  if (parts.info != 0) return finish_plain(data, theta, parts, 0, nullptr, out);

  double* solved = space.alpha.need(size_of(2 * ld));
  double* alpha = solved + ld;
  for (std::int64_t i = 0; i < n; ++i) {
    solved[i] = data.targets[size_of(i)] - mean;
    parts.log_determinant += std::log(stripes.diagonal(i));
  }
  stripes.solve(solved);
  for (std::int64_t i = 0; i < n; ++i) parts.quadratic += solved[i] * solved[i];
  // What is not finite need not be differentiated.
  if (!std::isfinite(log_likelihood(parts, static_cast<double>(n), 1))) {
    return finish_plain(data, theta, parts, 0, nullptr, out);
  }
  stripes.invert(pool_);
  stripes.multiply_inverse_transposed(solved, alpha);
  double alpha_square = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    alpha_square += alpha[i] * alpha[i];
    parts.alpha_sum += alpha[i];
  }

  const std::int64_t block = stripes.block();
  const std::int64_t padded = padded_rows(block);
  const std::int64_t blocks = (n + block - 1) / block;
  const std::int64_t tiles = blocks * (blocks + 1) / 2;
  double* partial = space.partial.need(static_cast<std::size_t>(tiles * (dims + 2)));
  const double* weights = lean ? nullptr : space.weight.need(static_cast<std::size_t>(ld * n));
  const double* points = space.points.need(static_cast<std::size_t>(ld * dims));
  const double* transposed = space.transposed.need(static_cast<std::size_t>(n * dims));
  const double* known = data.noise.empty() ? nullptr : data.noise.data();
  pool_.run(tiles, [&](std::int64_t t, int worker) {
    const auto [row, column] = lower_block(blocks, t);
    const std::int64_t i0 = row * block;
    const std::int64_t j0 = column * block;
    const std::int64_t rows = std::min(block, n - i0);
    const std::int64_t columns = std::min(block, n - j0);
    double* tile = space.tile[static_cast<std::size_t>(worker)].need(
        static_cast<std::size_t>(block * (block + (weights == nullptr ? 2 * padded : 0) + dims + 2)));
    double* product = tile + block * block;
    double* row_sum = product + block * dims;
    double* column_sum = row_sum + block;
    double* sums = partial + t * (dims + 2);
    stripes.inverse_block(i0, j0, tile, block);
    sums[dims] = sums[dims + 1] = 0;
    if (row == column) {
      for (std::int64_t i = 0; i < rows; ++i) sums[dims] += tile[i * block + i];
      if (known != nullptr) {
        for (std::int64_t i = 0; i < rows; ++i) sums[dims + 1] += known[i0 + i] * tile[i * block + i];
      }
    }
    const double* weight = weights + j0 * ld + i0;
    if (weights == nullptr) {
      double* again = column_sum + block;
      tiles_.gram(static_cast<std::int32_t>(data.kind), rows, columns, dims, points + i0, ld,
                  transposed + j0 * dims, dims, signal, again + padded * block, padded, again, padded, false,
                  0);
      weight = again;
    }
    tiles_.gradient_tile(rows, columns, row == column, alpha + i0, alpha + j0, weight,
                         weights == nullptr ? padded : ld, tile, block, row_sum, column_sum);
    blas_gemm(false, false, rows, dims, columns, 1.0, tile, block, points + j0, ld, 0.0, product, block);
    for (std::int64_t k = 0; k < dims; ++k) {
      const double* x = points + k * ld;
      double by_column = 0;
      for (std::int64_t j = 0; j < columns; ++j) by_column += x[j0 + j] * x[j0 + j] * column_sum[j];
      sums[k] = tiles_.weighted_square(rows, x + i0, row_sum, product + k * block) + by_column;
    }
  });

  double* group_sums = space.group_sums.need(static_cast<std::size_t>(groups));
  std::fill_n(group_sums, groups, 0.0);
  double inverse_trace = 0;
  double known_trace = 0;  // of W times the known noise
  for (std::size_t i = 0; i < data.noise.size(); ++i) known_trace += data.noise[i] * alpha[i] * alpha[i];
  for (std::int64_t t = 0; t < tiles; ++t) {
    const double* sums = partial + t * (dims + 2);
    for (std::int64_t k = 0; k < dims; ++k) group_sums[data.group[static_cast<std::size_t>(k)]] += sums[k];
    inverse_trace += sums[dims];
    known_trace -= sums[dims + 1];
  }
  parts.trace = 0.5 * (alpha_square - inverse_trace);
  finish_plain(data, theta, parts, known_trace, group_sums, out);
}

void CpuBackend::mll_value_grad(ResidentData& resident, ConstView theta, View out) {
  auto* plain = dynamic_cast<CpuData*>(&resident);
  if (plain == nullptr || plain->outputs > 1) {
    return ComposedBackend::mll_value_grad(general(resident), theta, out);
  }
  const CpuData& data = *plain;
  if (theta.rows != data.groups + 4 || out.rows != data.groups + 5 || theta.columns != out.columns) {
    throw UsageError("mll_value_grad: theta needs groups + 4 rows, out groups + 5, and as many columns each");
  }
  const SerialBlas serial;
  const std::int64_t batch = theta.columns;
  if (data.n == 0) {
    for (std::int64_t b = 0; b < batch; ++b) std::fill_n(out.column(b), out.rows, 0.0);
    return;
  }
  const auto member = [&](std::int64_t b, int worker) {
    evaluate_likelihood(data, theta.column(b), spaces_[static_cast<std::size_t>(worker)], out.column(b));
  };
  if (data.n <= kMostPointsOfLanes && batch > 1) return likelihood_by_lanes(data, theta, out);
  if (data.n < kAloneBelow) {
    pool_.run(batch, [&](std::int64_t b, int worker) { Pool::alone([&] { member(b, worker); }); });
    return;
  }
  // Whole members as tasks while every thread gets one: nothing to wait for inside. The rest, which
  // would leave threads idle, one by one with the work inside shared out. The bits are the same.
  const std::int64_t shared = data.n > lean_above_ ? 0 : batch / pool_.threads() * pool_.threads();
  pool_.run(shared, member);
  for (std::int64_t b = shared; b < batch; ++b) member(b, 0);
}

}  // namespace krigon::detail
