#include "backend/composed.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

namespace detail {

View WorkSpace::matrix(std::size_t slot, std::int64_t rows, std::int64_t columns, std::int64_t batch) {
  if (slot >= buffers_.size()) buffers_.resize(slot + 1);
  Buffer& buffer = buffers_[slot];
  const auto needed = static_cast<std::size_t>(rows * columns * batch);
  if (buffer.size() < needed) {
    ++generation_;
    buffer = {};
    buffer = backend_->allocate(needed);
  }
  return {buffer.data(), rows, columns, std::max<std::int64_t>(rows, 1), batch, rows * columns};
}

void WorkSpace::release(std::size_t from, std::size_t before) {
  ++generation_;
  for (std::size_t slot = from; slot < std::min(before, buffers_.size()); ++slot) buffers_[slot] = {};
}

void check_data(const HostData& data) {
  data.covariance.check();
  if (data.n < 0) throw UsageError(fmt::format("load: {} points", data.n));
  const auto n = static_cast<std::size_t>(data.n);
  const std::size_t outputs = n == 0 ? 1 : data.targets.size() / n;
  const std::size_t columns = n == 0 ? 0 : data.columns.size() / n;
  if (data.columns.size() != n * columns || data.targets.size() != n * outputs ||
      (n > 0 && (outputs == 0 || columns < static_cast<std::size_t>(data.covariance.columns()))) ||
      (!data.noise.empty() && data.noise.size() != n)) {
    throw UsageError(fmt::format(
        "load: the shapes do not match: {} points, covariance over {} columns, {} column entries, "
        "{} targets, {} noise variances",
        n, data.covariance.columns(), data.columns.size(), data.targets.size(), data.noise.size()));
  }
}

}  // namespace detail

using detail::ComposedData;

namespace {

View row_of(const View& matrix, std::int64_t row) {
  return {matrix.data + row, 1, matrix.columns, matrix.leading};
}

/// A batch of matrices without gaps as a batch of single columns.
View as_column(const View& matrix) {
  return {matrix.data,
          matrix.rows * matrix.columns,
          1,
          std::max<std::int64_t>(matrix.rows * matrix.columns, 1),
          matrix.batch,
          matrix.stride};
}

}  // namespace

std::unique_ptr<ResidentData> ComposedBackend::load(const HostData& host) {
  detail::check_data(host);
  auto data = std::make_unique<ComposedData>(*this);
  data->n = host.n;
  data->covariance = load_covariance(host.covariance);
  data->layout = data->covariance->layout;
  data->columns =
      host.n == 0 ? data->covariance->columns : static_cast<std::int64_t>(host.columns.size()) / host.n;
  data->outputs = host.n == 0 ? 1 : static_cast<std::int64_t>(host.targets.size()) / host.n;
  const auto put = [this](std::span<const double> values) {
    Buffer buffer = allocate(values.size());
    if (!values.empty()) upload(values, buffer.data());
    return buffer;
  };
  data->points = put(host.columns);
  data->targets = put(host.targets);
  data->noise = put(host.noise);
  return data;
}

namespace detail {

/// Slots of the work space of a likelihood.
enum LikelihoodSlot : std::size_t { kInfo, kParts, kGradient, kFeatures, kMatrix, kResidual, kChange, kOut };

/// The likelihood's parts up to alpha for the members of theta, the matrix left as L.
struct Factored {
  View info, parts, features, matrix, alpha;
};

Factored factorise(Backend& backend, ComposedData& data, ConstView theta) {
  const std::int64_t batch = theta.columns;
  const std::int64_t n = data.n;
  Factored f;
  f.info = data.work.matrix(kInfo, 1, batch);
  f.parts = data.work.matrix(kParts, 5, batch);
  f.features = data.work.matrix(kFeatures, data.covariance->features, n, batch);
  f.matrix = data.work.matrix(kMatrix, n, n, batch);
  f.alpha = data.work.matrix(kResidual, n, data.outputs, batch);
  backend.add(0, {}, 0, f.parts);
  backend.features(*data.covariance, data.points_view(), theta, f.features);
  backend.gram(*data.covariance, f.features, f.features, theta, f.matrix);
  backend.add_noise(*data.covariance, theta, data.noise_view(), f.matrix);
  backend.cholesky(f.matrix, f.info.data);
  backend.add(1, f.info, 0, row_of(f.parts, 0));
  backend.reduce(Reduction::log_diagonal, f.matrix, {}, row_of(f.parts, 1));
  // alpha = K^-1 (y - c), by halves: the first gives the quadratic form.
  backend.add(1, data.targets_view(), 0, f.alpha);
  const ConstView means{theta.data + data.layout.mean(), 1, 1, 1, batch, theta.leading};
  backend.add(-1, means, 1, f.alpha);
  backend.triangular_solve(f.matrix, Transpose::no, f.alpha);
  backend.reduce(Reduction::dot, as_column(f.alpha), as_column(f.alpha), row_of(f.parts, 2));
  backend.triangular_solve(f.matrix, Transpose::yes, f.alpha);
  backend.reduce(Reduction::sum, as_column(f.alpha), {}, row_of(f.parts, 3));
  return f;
}

}  // namespace detail

void ComposedBackend::mll_value_grad(ResidentData& resident, ConstView theta, View out) {
  auto& data = static_cast<ComposedData&>(resident);
  const ThetaLayout& layout = data.layout;
  if (theta.rows != layout.rows() || out.rows != layout.parameters() + 2 || theta.columns != out.columns) {
    throw UsageError(fmt::format("mll_value_grad: theta needs {} rows, out {}, and as many columns each",
                                 layout.rows(), layout.parameters() + 2));
  }
  const std::int64_t n = data.n;
  const std::int64_t each = n * (n + 2 * data.covariance->features + data.outputs) + 1;
  const std::int64_t portion = std::max<std::int64_t>(1, work_budget() / each);
  for (std::int64_t first = 0; first < theta.columns; first += portion) {
    const std::int64_t batch = std::min(portion, theta.columns - first);
    const ConstView t{theta.column(first), theta.rows, batch, theta.leading};
    const detail::Factored f = detail::factorise(*this, data, t);
    cholesky_inverse(f.matrix);
    likelihood_adjoint(f.alpha, f.matrix);
    reduce(Reduction::trace, f.matrix, {}, row_of(f.parts, 4));
    const View change = data.work.matrix(detail::kChange, data.covariance->features, n, batch);
    const View gradient = data.work.matrix(detail::kGradient, layout.parameters(), batch);
    add(0, {}, 0, change);
    add(0, {}, 0, gradient);
    gram_vjp(*data.covariance, f.features, f.features, t, f.matrix, {}, change, gradient);
    // The adjoint is symmetric, so the share of the first argument is the same once more.
    add(1, change, 1, change);
    features_vjp(*data.covariance, data.points_view(), t, change, gradient, {});
    finish_likelihood(data, t, f.parts, gradient, {out.column(first), out.rows, batch, out.leading});
  }
}

std::unique_ptr<ResidentPosterior> ComposedBackend::prepare(ResidentData& resident, ConstView theta,
                                                            double* info) {
  auto& data = static_cast<ComposedData&>(resident);
  const ThetaLayout& layout = data.layout;
  if (theta.rows != layout.rows() || theta.columns != 1) {
    throw UsageError(fmt::format("prepare: theta needs {} rows and one column", layout.rows()));
  }
  auto model = std::make_unique<detail::ComposedPosterior>(*this);
  model->n = model->fixed = data.n;
  model->columns = data.columns;
  model->outputs = data.outputs;
  model->covariance = data.covariance;
  model->layout = layout;
  model->theta = allocate(static_cast<std::size_t>(layout.rows()));
  add(1, theta, 0, {model->theta.data(), layout.rows(), 1, layout.rows()});
  model->reserve(*this, data.n + std::max<std::int64_t>(16, data.n / 8));

  const detail::Factored f = detail::factorise(*this, data, theta);
  add(1, f.features, 0, model->features_view());
  add(1, f.matrix, 0, model->factor_view());
  add(1, f.alpha, 0, model->alpha_view());
  add(1, data.targets_view(), 0, model->targets_view());
  // The likelihood's end also tells whether everything is finite.
  const View gradient = data.work.matrix(detail::kGradient, layout.parameters(), 1);
  add(0, {}, 0, gradient);
  const View out = data.work.matrix(detail::kOut, layout.parameters() + 2, 1);
  finish_likelihood(data, theta, f.parts, gradient, out);
  add(1, {out.data, 1, 1, 1}, 0, {info, 1, 1, 1});
  return model;
}

}  // namespace krigon
