// Moments of a factorised process and their adjoint, composed of primitives.
//
//   z = features(x),  k = gram(u, z),  v = L^-1 k
//   mean = c + k' alpha,  covariance = gram(z, z) - v' v
//   dv = -v (dC + dC'),  dk = alpha dmean' + L^-T dv,  dz from dk and, for gram(z, z), from dC

#include <algorithm>

#include <fmt/format.h>

#include "backend/composed.hpp"
#include "krigon/error.hpp"

namespace krigon {

using detail::ComposedPosterior;

namespace {

enum PosteriorSlot : std::size_t {
  // What posterior_for_vjp keeps; posterior has three of its own.
  kFeatures,
  kCross,
  kSolved,
  kOwn,
  kPoints = kOwn + 3,
  kFeatureChange,
  kRow,
  kShift
};

/// Relative to the new point's own variance.
constexpr double kSmallestDiagonal = 1e-10;

/// `matrix` (rows x m q) as m members of q columns.
View members(const View& matrix, std::int64_t q) {
  return {matrix.data, matrix.rows, q, matrix.leading, matrix.columns / q, matrix.leading * q};
}

/// The means, q x T, and the covariance, q x q, in each column of a posterior's output.
template <typename T>
BasicView<T> means_of(const BasicView<T>& out, std::int64_t q, std::int64_t outputs) {
  return {out.data, q, outputs, q, out.columns, out.leading};
}
template <typename T>
BasicView<T> covariance_of(const BasicView<T>& out, std::int64_t q, std::int64_t outputs) {
  return {out.data + q * outputs, q, q, q, out.columns, out.leading};
}

void check_shapes(const ResidentPosterior& model, const ConstView& x, std::int64_t q, const View& out) {
  if (q >= 1 && x.rows == model.columns && out.rows == q * (model.outputs + q) &&
      x.columns == out.columns * q) {
    return;
  }
  throw UsageError(fmt::format(
      "posterior: q = {} needs x of {} rows and q columns a member, out of {} rows; got {} x {} and {} x {}",
      q, model.columns, q * (model.outputs + q), x.rows, x.columns, out.rows, out.columns));
}

void evaluate(Backend& backend, ComposedPosterior& model, ConstView x, std::int64_t q, View out,
              std::size_t slots) {
  const ResidentCovariance& covariance = *model.covariance;
  const ConstView theta = model.theta_view();
  const View z = model.work.matrix(slots + kFeatures, covariance.features, x.columns);
  const View k = model.work.matrix(slots + kCross, model.n, x.columns);
  const View v = model.work.matrix(slots + kSolved, model.n, x.columns);
  backend.features(covariance, x, theta, z);
  backend.gram(covariance, model.features_view(), z, theta, k);
  backend.add(1, k, 0, v);
  backend.triangular_solve(model.factor_view(), Transpose::no, v);
  const View mean = means_of(out, q, model.outputs);
  backend.add(1, model.mean_view(), 0, mean);
  backend.gemm(1, members(k, q), Transpose::yes, model.alpha_view(), Transpose::no, 1, mean);
  const View joint = covariance_of(out, q, model.outputs);
  backend.gram(covariance, members(z, q), members(z, q), theta, joint);
  backend.gemm(-1, members(v, q), Transpose::yes, members(v, q), Transpose::no, 1, joint);
}

}  // namespace

void ComposedBackend::posterior(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  check_shapes(model, x, q, out);
  const std::int64_t each = q * (2 * model.n + model.covariance->features + 1);
  const std::int64_t portion = std::max<std::int64_t>(1, work_budget() / each);
  for (std::int64_t first = 0; first < out.columns; first += portion) {
    const std::int64_t count = std::min(portion, out.columns - first);
    evaluate(*this, model, {x.column(first * q), x.rows, count * q, x.leading}, q,
             {out.column(first), out.rows, count, out.leading}, kOwn);
  }
}

void ComposedBackend::posterior_for_vjp(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  check_shapes(model, x, q, out);
  const View points = model.work.matrix(kPoints, x.rows, x.columns);
  add(1, x, 0, points);
  if (out.columns > 0) evaluate(*this, model, points, q, out, 0);
  model.kept = x.columns;
  model.kept_q = q;
}

void ComposedBackend::posterior_vjp(ResidentPosterior& resident, ConstView adjoint, View dx) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  const std::int64_t q = model.kept_q;
  const std::int64_t columns = model.kept;
  if (adjoint.columns * q != columns || adjoint.rows != q * (model.outputs + q) || dx.rows != model.columns ||
      dx.columns != columns) {
    throw UsageError(
        "posterior_vjp: adjoint and dx need the shapes of out and x of the last posterior_for_vjp");
  }
  if (columns == 0) return;
  const ResidentCovariance& covariance = *model.covariance;
  const ConstView theta = model.theta_view();
  const View points = model.work.matrix(kPoints, model.columns, columns);
  const View z = model.work.matrix(kFeatures, covariance.features, columns);
  const View v = model.work.matrix(kSolved, model.n, columns);
  const View dk = model.work.matrix(kCross, model.n, columns);
  const View dz = model.work.matrix(kFeatureChange, covariance.features, columns);
  const ConstView d_mean = means_of(adjoint, q, model.outputs);
  const ConstView d_joint = covariance_of(adjoint, q, model.outputs);
  gemm(-1, members(v, q), Transpose::no, d_joint, Transpose::no, 0, members(dk, q));
  gemm(-1, members(v, q), Transpose::no, d_joint, Transpose::yes, 1, members(dk, q));
  triangular_solve(model.factor_view(), Transpose::yes, dk);
  gemm(1, model.alpha_view(), Transpose::no, d_mean, Transpose::yes, 1, members(dk, q));
  add(0, {}, 0, dz);
  gram_vjp(covariance, model.features_view(), z, theta, dk, {}, dz, {});
  gram_vjp(covariance, members(z, q), members(z, q), theta, d_joint, members(dz, q), {}, {});
  gram_vjp(covariance, members(z, q), members(z, q), theta, d_joint, {}, members(dz, q), {});
  add(0, {}, 0, dx);
  features_vjp(covariance, points, theta, dz, {}, dx);
}

namespace detail {

void ComposedPosterior::reserve(Backend& backend, std::int64_t wanted) {
  if (wanted <= capacity) return;
  ComposedPosterior old(backend);
  std::swap(old.features, features);
  std::swap(old.factor, factor);
  std::swap(old.alpha, alpha);
  std::swap(old.targets, targets);
  old.covariance = covariance;
  old.capacity = capacity;
  old.n = capacity == 0 ? 0 : n;
  old.outputs = outputs;
  capacity = wanted;
  features = backend.allocate(static_cast<std::size_t>(covariance->features * capacity));
  factor = backend.allocate(static_cast<std::size_t>(capacity * capacity));
  alpha = backend.allocate(static_cast<std::size_t>(capacity * outputs));
  targets = backend.allocate(static_cast<std::size_t>(capacity * outputs));
  if (old.n == 0) return;
  backend.add(1, old.features_view(), 0, features_view());
  backend.add(1, old.factor_view(), 0, factor_view());
  backend.add(1, old.alpha_view(), 0, alpha_view());
  backend.add(1, old.targets_view(), 0, targets_view());
}

void ComposedPosterior::solve_alpha(Backend& backend) {
  backend.add(1, targets_view(), 0, alpha_view());
  backend.add(-1, mean_view(), 1, alpha_view());
  backend.triangular_solve(factor_view(), Transpose::no, alpha_view());
  backend.triangular_solve(factor_view(), Transpose::yes, alpha_view());
}

View ComposedPosterior::kept_points() {
  return work.matrix(kPoints, columns, kept);
}

void ComposedPosterior::release_work(bool kept_too) {
  if (kept_too) {
    work.release();
  } else {
    work.release(kOwn, kPoints);
    work.release(kFeatureChange);
  }
}

}  // namespace detail

void ComposedBackend::append(ResidentPosterior& resident, ConstView x, const double* targets,
                             const double* noise) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  if (x.rows != model.columns) {
    throw UsageError(fmt::format("append: x needs {} rows, got {}", model.columns, x.rows));
  }
  const ResidentCovariance& covariance = *model.covariance;
  const ConstView theta = model.theta_view();
  const std::int64_t outputs = model.outputs;
  for (std::int64_t j = 0; j < x.columns; ++j) {
    const std::int64_t n = model.n;
    if (n == model.capacity) model.reserve(*this, n + std::max<std::int64_t>(16, n / 4));
    const View z{model.features.data() + n * covariance.features, covariance.features, 1,
                 covariance.features};
    features(covariance, {x.column(j), x.rows, 1, x.leading}, theta, z);
    const View row = model.work.matrix(kRow, n + 1, 1);
    gram(covariance, {model.features.data(), covariance.features, n + 1, covariance.features}, z, theta, row);
    const View target{model.targets.data() + n, 1, outputs, model.leading()};
    if (targets != nullptr) {
      add(1, {targets + j, 1, outputs, std::max<std::int64_t>(x.columns, 1)}, 0, target);
    } else {
      add(1, model.mean_view(), 0, target);
      gemm(1, {row.data, n, 1, std::max<std::int64_t>(n, 1)}, Transpose::yes, model.alpha_view(),
           Transpose::no, 1, target);
    }
    const ConstView known = noise == nullptr ? ConstView{} : ConstView{noise + j, 1, 1, 1};
    add_noise(covariance, theta, known, {row.data + n, 1, 1, 1});
    cholesky_append({model.factor.data(), n + 1, n + 1, model.leading()}, row, kSmallestDiagonal);
    add(0, {}, 0, {model.alpha.data() + n, 1, outputs, model.leading()});
    model.n = n + 1;
  }
  if (targets != nullptr && x.columns > 0) {
    model.fixed = model.n;
    model.solve_alpha(*this);
  }
}

void ComposedBackend::truncate(ResidentPosterior& resident, std::int64_t n) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  if (n < model.fixed || n > model.n) {
    throw UsageError("truncate: only points added without targets may be taken off");
  }
  model.n = n;
}

void ComposedBackend::remove(ResidentPosterior& resident, std::int64_t index) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  if (model.fixed != model.n) throw UsageError("remove: truncate the points without targets first");
  if (index < 0 || index >= model.n) {
    throw UsageError(fmt::format("remove: there is no point {} among {}", index, model.n));
  }
  const std::int64_t n = model.n;
  const std::int64_t rest = n - index - 1;
  const std::int64_t width = model.covariance->features;
  cholesky_remove(model.factor_view(), index);
  if (rest > 0) {
    // Through a copy: the ranges overlap.
    const View points = model.work.matrix(kShift, width, rest);
    const double* from = model.features.data() + (index + 1) * width;
    add(1, {from, width, rest, width}, 0, points);
    add(1, points, 0, {model.features.data() + index * width, width, rest, width});
    const View targets = model.work.matrix(kShift, rest, model.outputs);
    add(1, {model.targets.data() + index + 1, rest, model.outputs, model.leading()}, 0, targets);
    add(1, targets, 0, {model.targets.data() + index, rest, model.outputs, model.leading()});
  }
  model.n = model.fixed = n - 1;
  model.solve_alpha(*this);
}

void ComposedBackend::targets(ResidentPosterior& resident, View out) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  if (out.rows != model.n || out.columns != model.outputs) {
    throw UsageError(fmt::format("targets: out needs {} x {}", model.n, model.outputs));
  }
  add(1, model.targets_view(), 0, out);
}

void ComposedBackend::weights(ResidentPosterior& resident, View alpha, View inverse_diagonal) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  const std::int64_t n = model.n;
  if ((alpha.data != nullptr && (alpha.rows != n || alpha.columns != model.outputs)) ||
      (inverse_diagonal.data != nullptr && (inverse_diagonal.rows != n || inverse_diagonal.columns != 1))) {
    throw UsageError(fmt::format("weights: {} points and {} outputs", n, model.outputs));
  }
  if (alpha.data != nullptr) add(1, model.alpha_view(), 0, alpha);
  if (inverse_diagonal.data == nullptr || n == 0) return;
  const View inverse = model.work.matrix(kOwn + kCross, n, n);
  add(1, model.factor_view(), 0, inverse);
  cholesky_inverse(inverse);
  // The diagonal is a row whose columns lie n + 1 apart.
  const ConstView diagonal{inverse.data, 1, n, n + 1};
  add(1, diagonal, 0, {inverse_diagonal.data, 1, n, 1});
}

}  // namespace krigon
