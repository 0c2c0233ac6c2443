// The CPU backend's posteriors when points come and go. L^-1 and L^-T stay packed, so that a point costs two
// products with them.

#include <algorithm>
#include <cmath>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

void CpuBackend::grow(CpuPosterior& model, std::int64_t capacity) {
  CpuPosterior old(spare_);
  std::swap(old.points, model.points);
  std::swap(old.factor, model.factor);
  std::swap(old.alpha, model.alpha);
  std::swap(old.target, model.target);
  std::swap(old.panels, model.panels);
  std::swap(old.transposed_panels, model.transposed_panels);
  old.leading = model.leading;
  old.panel_offset = model.panel_offset;
  old.transposed_offset = model.transposed_offset;
  old.capacity = model.capacity;
  allocate_posterior(model, capacity);
  const std::int64_t n = model.n;
  for (std::int64_t k = 0; k < model.columns; ++k) {
    std::copy_n(old.points.data() + k * old.leading, n, model.points.data() + k * model.leading);
  }
  for (std::int64_t j = 0; j < n; ++j) {
    std::copy_n(old.factor.data() + j * old.leading, n, model.factor.data() + j * model.leading);
  }
  for (std::int64_t o = 0; o < model.outputs; ++o) {
    std::copy_n(old.alpha_of(o), n, model.alpha_of(o));
    std::copy_n(old.target_of(o), n, model.target_of(o));
  }
  const std::int64_t rows = tiles_.panel_rows;
  for (std::int64_t p = 0; p * rows < n; ++p) {
    std::copy_n(old.panels.data() + old.panel_offset[size_of(p)],
                rows * std::min(old.capacity, (p + 1) * rows),
                model.panels.data() + model.panel_offset[size_of(p)]);
    std::copy_n(old.transposed_panels.data() + old.transposed_offset[size_of(p)], rows * (n - p * rows),
                model.transposed_panels.data() + model.transposed_offset[size_of(p)]);
  }
}

void CpuBackend::append_one(CpuPosterior& model, const double* x, const double* targets,
                            std::int64_t target_step, double noise) {
  if (model.n == model.capacity) grow(model, model.capacity + std::max<std::int64_t>(16, model.capacity / 4));
  const std::int64_t n = model.n;
  const std::int64_t ld = model.leading;
  const std::int64_t dims = model.columns;
  double* work = model.work.front().need(size_of(3 * ld + dims));
  double* covariance = work;
  double* row = covariance + ld;
  double* weight = row + ld;  // K^-1 k
  double* z = weight + ld;
  for (std::int64_t k = 0; k < dims; ++k) {
    z[k] = x[k] * model.inverse_length[size_of(k)];
    model.points.data()[k * ld + n] = z[k];
  }
  tiles_.gram(static_cast<std::int32_t>(model.kind), n, 1, dims, model.points.data(), ld, z, dims,
              model.signal, covariance, ld, nullptr, ld, false, 0);
  multiply_inverse_shared(model, false, covariance, 1, row);
  multiply_inverse_shared(model, true, row, 1, weight);
  const double square = model.signal + model.noise + noise - blas_dot(n, row, 1, row, 1);
  const double diagonal = std::sqrt(std::max(square, model.floor));

  double* factor = model.factor.data();
  for (std::int64_t i = 0; i < n; ++i) factor[i * ld + n] = row[i];
  factor[n * ld + n] = diagonal;
  const std::int64_t rows = tiles_.panel_rows;
  double* panel = model.panels.data() + model.panel_offset[size_of(n / rows)];
  for (std::int64_t i = 0; i <= n; ++i) {
    const double entry = i < n ? -weight[i] / diagonal : 1.0 / diagonal;
    panel[i * rows + n % rows] = entry;
    const std::int64_t first = i / rows * rows;
    model.transposed_panels
        .data()[model.transposed_offset[size_of(i / rows)] + (n - first) * rows + i - first] = entry;
  }
  // K^-1 with one more point, times the targets: the old weights change along K^-1 k.
  for (std::int64_t o = 0; o < model.outputs; ++o) {
    double* alpha = model.alpha_of(o);
    const double mean = model.mean + blas_dot(n, covariance, 1, alpha, 1);
    const double target = targets != nullptr ? targets[o * target_step] : mean;
    const double change = targets != nullptr ? (target - mean) / (diagonal * diagonal) : 0.0;
    model.target_of(o)[n] = target;
    for (std::int64_t i = 0; i < n; ++i) alpha[i] -= change * weight[i];
    alpha[n] = change;
  }
  model.n = n + 1;
}

void CpuBackend::append(ResidentPosterior& resident, ConstView x, const double* targets,
                        const double* noise) {
  auto* plain = dynamic_cast<CpuPosterior*>(&resident);
  if (plain == nullptr) return ComposedBackend::append(resident, x, targets, noise);
  CpuPosterior& model = *plain;
  if (x.rows != model.columns) throw UsageError("append: x needs a row per column of the data");
  const SerialBlas serial;
  for (std::int64_t j = 0; j < x.columns; ++j) {
    append_one(model, x.column(j), targets == nullptr ? nullptr : targets + j, x.columns,
               noise == nullptr ? 0.0 : noise[j]);
  }
  if (targets != nullptr) model.fixed = model.n;
}

void CpuBackend::truncate(ResidentPosterior& resident, std::int64_t n) {
  auto* model = dynamic_cast<CpuPosterior*>(&resident);
  if (model == nullptr) return ComposedBackend::truncate(resident, n);
  if (n < model->fixed || n > model->n) {
    throw UsageError("truncate: only points added without targets may be taken off");
  }
  model->n = n;
}

void CpuBackend::remove(ResidentPosterior& resident, std::int64_t index) {
  auto* plain = dynamic_cast<CpuPosterior*>(&resident);
  if (plain == nullptr) return ComposedBackend::remove(resident, index);
  CpuPosterior& model = *plain;
  if (model.fixed != model.n) throw UsageError("remove: truncate the points without targets first");
  if (index < 0 || index >= model.n) throw UsageError("remove: there is no such point");
  const SerialBlas serial;
  const std::int64_t n = model.n;
  const std::int64_t ld = model.leading;
  const std::int64_t rows = tiles_.panel_rows;

  // The rotations that cholesky_remove applies to columns of L turn the rows of L^-1: row `index` is
  // carried down through all rows below it, and what is left of it goes, with column `index`.
  Scratch space = spare_.take(size_of(n * n));
  double* inverse = space.data();  // by rows
  pool_.run((n + rows - 1) / rows, [&](std::int64_t p, int) {
    const double* panel = model.panels.data() + model.panel_offset[size_of(p)];
    for (std::int64_t r = p * rows; r < std::min(n, (p + 1) * rows); ++r) {
      for (std::int64_t i = 0; i <= r; ++i) inverse[r * n + i] = panel[i * rows + r - p * rows];
      std::fill(inverse + r * n + r + 1, inverse + (r + 1) * n, 0.0);
    }
  });
  std::vector<double> change(size_of(n));
  const double* l = model.factor.data();
  for (std::int64_t i = index + 1; i < n; ++i) change[size_of(i)] = l[index * ld + i];
  double* carried = inverse + index * n;
  double* factor = model.factor.data();
  for (std::int64_t k = index + 1; k < n; ++k) {
    double* column = factor + k * ld;
    const double length = std::hypot(column[k], change[size_of(k)]);
    const double c = column[k] / length;
    const double s = change[size_of(k)] / length;
    for (std::int64_t i = k; i < n; ++i) {
      const double value = column[i];
      const double other = change[size_of(i)];
      column[i] = c * value + s * other;
      change[size_of(i)] = c * other - s * value;
    }
    double* row = inverse + k * n;
    for (std::int64_t i = 0; i <= k; ++i) {
      const double value = row[i];
      const double other = carried[i];
      row[i] = c * value + s * other;
      carried[i] = c * other - s * value;
    }
  }
  for (std::int64_t j = 0; j < index; ++j) {
    double* column = factor + j * ld;
    std::copy(column + index + 1, column + n, column + index);
  }
  for (std::int64_t j = index + 1; j < n; ++j) {
    std::copy(factor + j * ld + j, factor + j * ld + n, factor + (j - 1) * ld + j - 1);
  }
  for (std::int64_t r = 0; r + 1 < n; ++r) {
    const double* from = inverse + (r < index ? r : r + 1) * n;
    double* to = inverse + r * n;
    std::copy(from, from + index, to);
    std::copy(from + index + 1, from + n, to + index);
  }
  for (std::int64_t k = 0; k < model.columns; ++k) {
    double* points = model.points.data() + k * ld;
    std::copy(points + index + 1, points + n, points + index);
  }
  for (std::int64_t o = 0; o < model.outputs; ++o) {
    double* target = model.target_of(o);
    std::copy(target + index + 1, target + n, target + index);
  }
  model.n = model.fixed = n - 1;
  pack_inverse(model, inverse, 1, n);
  spare_.give(std::move(space));
  solve_alpha(model);
}

void CpuBackend::targets(ResidentPosterior& resident, View out) {
  const auto* model = dynamic_cast<CpuPosterior*>(&resident);
  if (model == nullptr) return ComposedBackend::targets(resident, out);
  if (out.rows != model->n || out.columns != model->outputs) {
    throw UsageError("targets: out needs a row per point and a column per output");
  }
  for (std::int64_t o = 0; o < model->outputs; ++o) std::copy_n(model->target_of(o), model->n, out.column(o));
}

void CpuBackend::weights(ResidentPosterior& resident, View alpha, View inverse_diagonal) {
  const auto* plain = dynamic_cast<CpuPosterior*>(&resident);
  if (plain == nullptr) return ComposedBackend::weights(resident, alpha, inverse_diagonal);
  const CpuPosterior& model = *plain;
  const std::int64_t n = model.n;
  if ((alpha.data != nullptr && (alpha.rows != n || alpha.columns != model.outputs)) ||
      (inverse_diagonal.data != nullptr && (inverse_diagonal.rows != n || inverse_diagonal.columns != 1))) {
    throw UsageError("weights: alpha needs a row per point and a column per output, the diagonal one column");
  }
  if (alpha.data != nullptr) {
    for (std::int64_t o = 0; o < model.outputs; ++o) std::copy_n(model.alpha_of(o), n, alpha.column(o));
  }
  if (inverse_diagonal.data == nullptr) return;
  const std::int64_t rows = tiles_.panel_rows;
  for (std::int64_t i = 0; i < n; ++i) {
    // Column i of L^-1 is row i of L^-T.
    const std::int64_t first = i / rows * rows;
    const double* across = model.transposed_panels.data() + model.transposed_offset[size_of(i / rows)];
    double sum = 0;
    for (std::int64_t j = i; j < n; ++j) {
      const double entry = across[(j - first) * rows + i - first];
      sum += entry * entry;
    }
    inverse_diagonal.data[i] = sum;
  }
}

}  // namespace krigon::detail
