// Coarse operations that pay to be more than their composition: the likelihood of small problems as one
// launch, and the moments of single points from a prepared L^-1. What becomes of batches that are too wide
// for the device's memory is in cuda_portions.cpp.

#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/cuda/check.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/graph.hpp"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/own.hpp"
#include "kernels/cuda/shapes.hpp"

namespace krigon::cuda {

using detail::ComposedData;
using detail::ComposedPosterior;

namespace {

std::int64_t address(const void* pointer) {
  return std::bit_cast<std::int64_t>(pointer);
}

/// Points in a batch up to which launches cost more than what they launch.
constexpr std::int64_t kNarrow = 256;

}  // namespace

void CudaBackend::likelihood_at_once(ComposedData& data, ConstView theta, View out) {
  if (!batched(data.n) || data.n == 0) {
    ComposedBackend::mll_value_grad(data, theta, out);
    return;
  }
  own(data, context_)
      .graphs.run(
          [&] {
            return Graphs::Key{address(theta.data), theta.rows,        theta.columns,
                               theta.leading,       address(out.data), out.rows,
                               out.columns,         out.leading,       data.work.generation()};
          },
          [&] { ComposedBackend::mll_value_grad(data, theta, out); });
}

namespace {

/// Whether the fused way goes: single points, and something to be conditioned on.
bool single_points(const ComposedPosterior& model, ConstView x, std::int64_t q, View out) {
  return q == 1 && model.n > 0 && x.rows == model.columns && x.batch == 1 && out.batch == 1 &&
         out.rows == model.outputs + 1 && x.columns == out.columns && out.columns > 0;
}

}  // namespace

void CudaBackend::invert_factor(ComposedPosterior& model) {
  OwnPosterior& mine = own(model, *this, context_);
  const std::int64_t n = model.n;
  if (mine.capacity < n) {
    Buffer grown = allocate(static_cast<std::size_t>(model.capacity * model.capacity));
    const View done{grown.data(), mine.order, mine.order, model.capacity};
    check(launch_copy_lower(context_.stream(), mine.inverse_view(mine.order), done, 1), "copying a triangle");
    mine.inverse = std::move(grown);
    mine.capacity = model.capacity;
  }
  if (mine.order == n) return;
  // What is done stays to the last bit, so that points that come and go leave no trace.
  const std::int64_t head = mine.order;
  const std::int64_t rest = n - head;
  const auto part = [](const View& matrix, std::int64_t row, std::int64_t column, std::int64_t rows,
                       std::int64_t columns) {
    return View{matrix.data + row + column * matrix.leading, rows, columns, matrix.leading};
  };
  const View factor = model.factor_view();
  const View inverse{mine.inverse.data(), n, n, mine.capacity};
  const View corner = part(inverse, head, head, rest, rest);
  check(launch_copy_lower(context_.stream(), part(factor, head, head, rest, rest), corner, 1),
        "copying a triangle");
  triangular_inverse(corner);
  if (head > 0) {
    // As in join_inverses.
    const View product = mine.work.matrix(kProduct, rest, head);
    gemm(1, part(factor, head, 0, rest, head), Transpose::no, part(inverse, 0, 0, head, head), Transpose::no,
         0, product);
    gemm(-1, corner, Transpose::no, product, Transpose::no, 0, part(inverse, head, 0, rest, head));
  }
  mine.order = n;
}

void CudaBackend::single_moments(ComposedPosterior& model, ConstView x, View out, std::size_t slots) {
  OwnPosterior& mine = own(model, *this, context_);
  const ResidentCovariance& covariance = *model.covariance;
  const CovarianceTable& table = static_cast<const CudaCovariance&>(covariance).table;
  const ConstView theta = model.theta_view();
  const View z = mine.work.matrix(slots + kFeatures, covariance.features, x.columns);
  const View k = mine.work.matrix(slots + kCross, model.n, x.columns);
  const View v = mine.work.matrix(slots + kSolved, model.n, x.columns);
  features(covariance, x, theta, z);
  gram(covariance, model.features_view(), z, theta, k);
  gemm(1, mine.inverse_view(model.n), Transpose::no, k, Transpose::no, 0, v);
  check(launch_moments(context_.stream(), table, z, k, v, model.alpha_view(), Theta(theta), out), "moments");
}

void CudaBackend::posterior_at_once(ComposedPosterior& model, ConstView x, std::int64_t q, View out) {
  if (!single_points(model, x, q, out)) {
    ComposedBackend::posterior(model, x, q, out);
    return;
  }
  invert_factor(model);
  const std::int64_t portion =
      std::max<std::int64_t>(1, work_budget() / (2 * model.n + model.covariance->features));
  for (std::int64_t first = 0; first < x.columns; first += portion) {
    const std::int64_t count = std::min(portion, x.columns - first);
    single_moments(model, {x.column(first), x.rows, count, x.leading},
                   {out.column(first), out.rows, count, out.leading}, kOwnSlots);
  }
}

void CudaBackend::posterior_for_vjp_at_once(ComposedPosterior& model, ConstView x, std::int64_t q, View out) {
  OwnPosterior& mine = own(model, *this, context_);
  mine.kept = 0;
  if (!single_points(model, x, q, out)) {
    ComposedBackend::posterior_for_vjp(model, x, q, out);
    return;
  }
  invert_factor(model);
  const auto sequence = [&] {
    const View points = mine.work.matrix(kPoints, x.rows, x.columns);
    add(1, x, 0, points);
    single_moments(model, points, out, 0);
  };
  if (x.columns <= kNarrow) {
    mine.graphs.run(
        [&] {
          return Graphs::Key{0,
                             address(x.data),
                             x.columns,
                             x.leading,
                             address(out.data),
                             out.leading,
                             model.n,
                             address(mine.inverse.data()),
                             address(model.factor.data()),
                             mine.work.generation()};
        },
        sequence);
  } else {
    sequence();
  }
  mine.kept = x.columns;
  model.kept = x.columns;
  model.kept_q = 1;
}

void CudaBackend::posterior_vjp_at_once(ComposedPosterior& model, ConstView adjoint, View dx) {
  OwnPosterior& mine = own(model, *this, context_);
  if (mine.kept == 0 || mine.kept != model.kept || model.kept_q != 1) {
    ComposedBackend::posterior_vjp(model, adjoint, dx);
    return;
  }
  const std::int64_t m = mine.kept;
  require(adjoint.columns == m && adjoint.rows == model.outputs + 1 && dx.rows == model.columns &&
              dx.columns == m,
          "posterior_vjp: adjoint and dx need the shapes of out and x of the last posterior_for_vjp");
  const auto sequence = [&] {
    const ResidentCovariance& covariance = *model.covariance;
    const CovarianceTable& table = static_cast<const CudaCovariance&>(covariance).table;
    const ConstView theta = model.theta_view();
    const View points = mine.work.matrix(kPoints, model.columns, m);
    const View z = mine.work.matrix(kFeatures, covariance.features, m);
    const View v = mine.work.matrix(kSolved, model.n, m);
    const View dk = mine.work.matrix(kCross, model.n, m);
    const View dz = mine.work.matrix(kFeatureChange, covariance.features, m);
    const View scaled = mine.work.matrix(kOwnSlots + kCross, model.n, m);
    const ConstView d_mean{adjoint.data, model.outputs, m, adjoint.leading};
    check(launch_variance_adjoint(context_.stream(), v, adjoint, scaled), "the variance's adjoint");
    gemm(1, mine.inverse_view(model.n), Transpose::yes, scaled, Transpose::no, 0, dk);
    gemm(1, model.alpha_view(), Transpose::no, d_mean, Transpose::no, 1, dk);
    add(0, {}, 0, dz);
    gram_vjp(covariance, model.features_view(), z, theta, dk, {}, dz, {});
    check(launch_prior_vjp(context_.stream(), table, z, Theta(theta), adjoint, dz), "the prior's adjoint");
    add(0, {}, 0, dx);
    features_vjp(covariance, points, theta, dz, {}, dx);
  };
  if (m <= kNarrow) {
    mine.graphs.run(
        [&] {
          return Graphs::Key{1,
                             address(adjoint.data),
                             m,
                             adjoint.leading,
                             address(dx.data),
                             dx.leading,
                             model.n,
                             address(mine.inverse.data()),
                             address(model.factor.data()),
                             mine.work.generation()};
        },
        sequence);
  } else {
    sequence();
  }
}

void CudaBackend::truncate(ResidentPosterior& resident, std::int64_t n) {
  ComposedBackend::truncate(resident, n);
  forget_inverse(static_cast<ComposedPosterior&>(resident), n);
}

void CudaBackend::remove(ResidentPosterior& resident, std::int64_t index) {
  ComposedBackend::remove(resident, index);
  // What comes before the point is as it was.
  forget_inverse(static_cast<ComposedPosterior&>(resident), index);
}

void CudaBackend::forget_inverse(ComposedPosterior& model, std::int64_t from) {
  if (!model.own) return;
  OwnPosterior& mine = own(model, *this, context_);
  mine.order = std::min(mine.order, from);
}

}  // namespace krigon::cuda
