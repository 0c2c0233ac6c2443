// The prepared posterior: mean and variance at many candidates at once, and their gradients.
//
//   k_j = k(X, x_j),  mean_j = c + k_j' alpha,  v_j = L^-1 k_j,  variance_j = s2 - v_j' v_j
//   d mean_j/d x_j = sum_i alpha_i d k_ij/d x_j,  d variance_j/d x_j = -2 sum_i (L^-T v_j)_i d k_ij/d x_j
//
// Variances come from L^-1, which keeps ten digits near the data where K^-1 keeps five. L^-1 and L^-T
// are packed once into panels of two vectors' rows, in the order in which the product reads them: a
// library's product would pack them anew at every step of the candidates' search.

#include <algorithm>
#include <cmath>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "backend/factor.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

std::size_t size_of(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

constexpr std::int64_t kChunk = 40;  ///< candidates that a thread takes at a time, at most

}  // namespace

void CpuPosterior::release() noexcept {
  for (Scratch* scratch : {&factor, &panels, &transposed_panels}) {
    spare_->give(std::move(*scratch));
    *scratch = {};
  }
  points = {};
  alpha = {};
}

void CpuBackend::allocate_posterior(CpuPosterior& model, std::int64_t capacity) const {
  model.capacity = capacity;
  model.leading = padded_rows(capacity);
  model.release();
  model.points.need(size_of(model.leading * model.columns));
  model.alpha.need(size_of(capacity));
  SpareMemory& spare = model.spare();
  model.factor = spare.take(size_of(model.leading * capacity));
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t count = (capacity + rows - 1) / rows;
  model.panel_offset.assign(size_of(count + 1), 0);
  model.transposed_offset.assign(size_of(count + 1), 0);
  for (std::int64_t p = 0; p < count; ++p) {
    model.panel_offset[size_of(p + 1)] =
        model.panel_offset[size_of(p)] + rows * std::min(capacity, (p + 1) * rows);
    model.transposed_offset[size_of(p + 1)] =
        model.transposed_offset[size_of(p)] + rows * (capacity - p * rows);
  }
  model.panels = spare.take(size_of(model.panel_offset.back()));
  model.transposed_panels = spare.take(size_of(model.transposed_offset.back()));
  // Every panel ends or begins with a triangle, of which only one half is ever written.
  for (std::int64_t p = 0; p < count; ++p) {
    const std::int64_t square = rows * std::min(rows, capacity - p * rows);
    std::fill_n(model.panels.data() + model.panel_offset[size_of(p)] + rows * p * rows, square, 0.0);
    std::fill_n(model.transposed_panels.data() + model.transposed_offset[size_of(p)], square, 0.0);
  }
  model.work.resize(size_of(pool_.threads()));
}

void CpuBackend::pack_inverse(CpuPosterior& model, const double* inverse, std::int64_t ld) {
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t n = model.n;
  double* panels = model.panels.data();
  double* transposed = model.transposed_panels.data();
  pool_.run((n + rows - 1) / rows, [&](std::int64_t p, int) {
    const std::int64_t first = p * rows;
    const std::int64_t last = std::min(n, first + rows);
    double* panel = panels + model.panel_offset[size_of(p)];
    for (std::int64_t i = 0; i < last; ++i) {
      for (std::int64_t r = std::max(i, first); r < last; ++r)
        panel[i * rows + r - first] = inverse[i * ld + r];
    }
    double* across = transposed + model.transposed_offset[size_of(p)];
    for (std::int64_t r = first; r < last; ++r) {
      for (std::int64_t i = r; i < n; ++i) across[(i - first) * rows + r - first] = inverse[r * ld + i];
    }
  });
}

std::unique_ptr<ResidentPosterior> CpuBackend::prepare(ResidentData& resident, ConstView theta,
                                                       double* info) {
  auto& data = static_cast<CpuData&>(resident);
  if (theta.rows != data.groups + 4 || theta.columns != 1) {
    throw UsageError("prepare: theta needs groups + 4 rows and one column");
  }
  const SerialBlas serial;
  auto model = std::make_unique<CpuPosterior>(spare_);
  const std::int64_t n = data.n;
  const double* t = theta.data;
  const double noise = std::exp(t[data.groups + 1]);
  model->n = model->fixed = n;
  model->columns = data.columns;
  model->signal = std::exp(t[data.groups]);
  model->noise = noise + t[data.groups + 3] * (model->signal + noise);
  model->floor = 1e-10 * (model->signal + noise);
  model->mean = t[data.groups + 2];
  for (const std::int32_t group : data.group) model->inverse_length.push_back(std::exp(-t[group]));
  model->target = data.targets;
  allocate_posterior(*model, n + std::max<std::int64_t>(16, n / 8));

  const auto factorise = [&]() -> std::int64_t {
    LikelihoodSpace& space = spaces_.front();
    const std::int64_t ld = padded_rows(n);
    fill_covariance(data, t, space, false);
    double* l = space.covariance.need(size_of(ld * n));
    const std::int64_t status = detail::cholesky(pool_, n, l, ld);
    if (status != 0) return status;
    double* inverse = space.inverse.need(size_of(ld * n));
    lower_inverse(pool_, n, l, ld, inverse, ld);
    double* factor = model->factor.data();
    for (std::int64_t j = 0; j < n; ++j) {
      std::copy(l + j * ld + j, l + j * ld + n, factor + j * model->leading + j);
    }
    pack_inverse(*model, inverse, ld);
    solve_alpha(*model);
    const double* alpha = model->alpha.data();
    return std::all_of(alpha, alpha + n, [](double a) { return std::isfinite(a); }) ? 0 : -1;
  };
  std::int64_t status = 0;
  if (n > 0 && n < 128) {
    Pool::alone([&] { status = factorise(); });
  } else if (n > 0) {
    status = factorise();
  }
  *info = static_cast<double>(status);
  double* points = model->points.data();
  for (std::int64_t k = 0; k < model->columns; ++k) {
    const double scale = model->inverse_length[size_of(k)];
    for (std::int64_t i = 0; i < n; ++i) {
      points[k * model->leading + i] = data.points[size_of(i * model->columns + k)] * scale;
    }
  }
  return model;
}

void CpuBackend::solve_alpha(CpuPosterior& model) {
  double* alpha = model.alpha.data();
  for (std::int64_t i = 0; i < model.n; ++i) alpha[i] = model.target[size_of(i)] - model.mean;
  const double* l = model.factor.data();
  blas_solve_vector(false, model.n, l, model.leading, alpha);
  blas_solve_vector(true, model.n, l, model.leading, alpha);
}

void CpuBackend::multiply_inverse(const CpuPosterior& model, bool transpose, const double* x,
                                  std::int64_t columns, double* out) const {
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t n = model.n;
  const double* packed = transpose ? model.transposed_panels.data() : model.panels.data();
  const auto& offsets = transpose ? model.transposed_offset : model.panel_offset;
  for (std::int64_t p = 0; p * rows < n; ++p) {
    const std::int64_t first = p * rows;
    const double* panel = packed + offsets[size_of(p)];
    if (transpose) {
      tiles_.panel_multiply(panel, n - first, x + first, model.leading, columns, out + first, model.leading);
    } else {
      tiles_.panel_multiply(panel, std::min(n, first + rows), x, model.leading, columns, out + first,
                            model.leading);
    }
  }
}

std::int64_t CpuBackend::chunk_of(const CpuPosterior& model, std::int64_t m) const {
  // About 20 microseconds of work are worth another thread.
  const std::int64_t threads =
      model.n * (model.n + 8 * model.columns + 64) * m < 400000 ? 1 : pool_.threads();
  const std::int64_t share = (m + threads - 1) / threads;
  return std::clamp<std::int64_t>((share + 4) / 5 * 5, 5, kChunk);
}

void CpuBackend::posterior(ResidentPosterior& resident, ConstView x, View out) {
  auto& model = static_cast<CpuPosterior&>(resident);
  evaluate_posterior(model, x, out, false);
}

void CpuBackend::posterior_for_vjp(ResidentPosterior& resident, ConstView x, View out) {
  auto& model = static_cast<CpuPosterior&>(resident);
  model.candidates.need(size_of(model.columns * x.columns));
  model.weights.need(size_of(model.leading * x.columns));
  model.solved.need(size_of(model.leading * x.columns));
  model.kept = x.columns;
  evaluate_posterior(model, x, out, true);
}

void CpuBackend::evaluate_posterior(CpuPosterior& model, ConstView x, View out, bool keep) {
  if (x.rows != model.columns || out.rows != 2 || out.columns != x.columns) {
    throw UsageError("posterior: x needs a row per column of the data, out 2 rows, and as many columns each");
  }
  const std::int64_t m = x.columns;
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  const std::int64_t chunk = chunk_of(model, m);
  const auto evaluate = [&](std::int64_t task, int worker) {
    const std::int64_t first = task * chunk;
    const std::int64_t count = std::min(chunk, m - first);
    double* work = model.work[size_of(worker)].need(size_of((2 * ld + dims) * kChunk));
    double* k = work + dims * kChunk;
    double* v = keep ? model.solved.data() + first * ld : k + ld * kChunk;
    double* z = keep ? model.candidates.data() + first * dims : work;
    for (std::int64_t j = 0; j < count; ++j) {
      for (std::int64_t d = 0; d < dims; ++d) {
        z[j * dims + d] = x.column(first + j)[d] * model.inverse_length[size_of(d)];
      }
    }
    tiles_.gram(model.n, count, dims, model.points.data(), ld, z, dims, model.signal, k, ld,
                keep ? model.weights.data() + first * ld : nullptr, ld, false, 0);
    multiply_inverse(model, false, k, count, v);
    for (std::int64_t j = 0; j < count; ++j) {
      double mean = 0;
      double square = 0;
      tiles_.moments(model.n, k + j * ld, model.alpha.data(), v + j * ld, &mean, &square);
      out.column(first + j)[0] = model.mean + mean;
      out.column(first + j)[1] = model.signal - square;
    }
  };
  pool_.run((m + chunk - 1) / chunk, evaluate);
}

void CpuBackend::posterior_vjp(ResidentPosterior& resident, ConstView adjoint, View dx) {
  auto& model = static_cast<CpuPosterior&>(resident);
  const std::int64_t m = model.kept;
  if (adjoint.rows != 2 || adjoint.columns != m || dx.rows != model.columns || dx.columns != m) {
    throw UsageError("posterior_vjp: adjoint and dx need a column per point of the last posterior_for_vjp");
  }
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  const std::int64_t chunk = chunk_of(model, m);
  pool_.run((m + chunk - 1) / chunk, [&](std::int64_t task, int worker) {
    const std::int64_t first = task * chunk;
    const std::int64_t count = std::min(chunk, m - first);
    double* work = model.work[size_of(worker)].need(size_of((2 * ld + dims) * kChunk));
    double* g = work + dims * kChunk;
    double* v = g + ld * kChunk;
    multiply_inverse(model, true, model.solved.data() + first * ld, count, v);
    for (std::int64_t j = 0; j < count; ++j) {
      const double* a = adjoint.column(first + j);
      tiles_.pull_back(model.n, dims, a[0], -2.0 * a[1], model.alpha.data(), v + j * ld,
                       model.weights.data() + (first + j) * ld, model.points.data(), ld,
                       model.candidates.data() + (first + j) * dims, model.inverse_length.data(), g,
                       dx.column(first + j));
    }
  });
}

void CpuBackend::grow(CpuPosterior& model, std::int64_t capacity) {
  CpuPosterior old(spare_);
  std::swap(old.points, model.points);
  std::swap(old.factor, model.factor);
  std::swap(old.alpha, model.alpha);
  std::swap(old.panels, model.panels);
  std::swap(old.transposed_panels, model.transposed_panels);
  old.leading = model.leading;
  old.panel_offset = model.panel_offset;
  old.transposed_offset = model.transposed_offset;
  const std::int64_t old_capacity = model.capacity;
  allocate_posterior(model, capacity);
  const std::int64_t n = model.n;
  for (std::int64_t k = 0; k < model.columns; ++k) {
    std::copy_n(old.points.data() + k * old.leading, n, model.points.data() + k * model.leading);
  }
  for (std::int64_t j = 0; j < n; ++j) {
    std::copy_n(old.factor.data() + j * old.leading, n, model.factor.data() + j * model.leading);
  }
  std::copy_n(old.alpha.data(), n, model.alpha.data());
  const std::int64_t rows = tiles_.panel_rows;
  for (std::int64_t p = 0; p * rows < n; ++p) {
    std::copy_n(old.panels.data() + old.panel_offset[size_of(p)],
                rows * std::min(old_capacity, (p + 1) * rows),
                model.panels.data() + model.panel_offset[size_of(p)]);
    std::copy_n(old.transposed_panels.data() + old.transposed_offset[size_of(p)], rows * (n - p * rows),
                model.transposed_panels.data() + model.transposed_offset[size_of(p)]);
  }
}

void CpuBackend::append_one(CpuPosterior& model, const double* x, const double* target) {
  if (model.n == model.capacity) grow(model, model.capacity + std::max<std::int64_t>(16, model.capacity / 4));
  const std::int64_t n = model.n;
  const std::int64_t ld = model.leading;
  const std::int64_t dims = model.columns;
  double* work = model.work.front().need(size_of((2 * ld + dims) * kChunk));
  double* z = work;
  double* row = work + dims;
  double* inverse_row = row + ld;
  for (std::int64_t k = 0; k < dims; ++k) {
    z[k] = x[k] * model.inverse_length[size_of(k)];
    model.points.data()[k * ld + n] = z[k];
  }
  tiles_.gram(n, 1, dims, model.points.data(), ld, z, dims, model.signal, row, ld, nullptr, ld, false, 0);
  double* alpha = model.alpha.data();
  const double value = target != nullptr ? *target : model.mean + blas_dot(n, row, 1, alpha, 1);
  blas_solve_vector(false, n, model.factor.data(), ld, row);
  const double square = model.signal + model.noise - blas_dot(n, row, 1, row, 1);
  const double diagonal = std::sqrt(std::max(square, model.floor));
  multiply_inverse(model, true, row, 1, inverse_row);

  double* factor = model.factor.data();
  for (std::int64_t i = 0; i < n; ++i) factor[i * ld + n] = row[i];
  factor[n * ld + n] = diagonal;
  const std::int64_t rows = tiles_.panel_rows;
  double* panel = model.panels.data() + model.panel_offset[size_of(n / rows)];
  for (std::int64_t i = 0; i <= n; ++i) {
    const double entry = i < n ? -inverse_row[i] / diagonal : 1.0 / diagonal;
    panel[i * rows + n % rows] = entry;
    const std::int64_t first = i / rows * rows;
    model.transposed_panels
        .data()[model.transposed_offset[size_of(i / rows)] + (n - first) * rows + i - first] = entry;
  }
  alpha[n] = 0;
  model.target.push_back(value);
  model.n = n + 1;
}

void CpuBackend::append(ResidentPosterior& resident, ConstView x, const double* targets) {
  auto& model = static_cast<CpuPosterior&>(resident);
  if (x.rows != model.columns) throw UsageError("append: x needs a row per column of the data");
  const SerialBlas serial;
  for (std::int64_t j = 0; j < x.columns; ++j) {
    append_one(model, x.column(j), targets == nullptr ? nullptr : targets + j);
  }
  if (targets != nullptr) {
    model.fixed = model.n;
    solve_alpha(model);
  }
}

void CpuBackend::truncate(ResidentPosterior& resident, std::int64_t n) {
  auto& model = static_cast<CpuPosterior&>(resident);
  if (n < model.fixed || n > model.n) {
    throw UsageError("truncate: only points added without targets may be taken off");
  }
  model.n = n;
  model.target.resize(size_of(n));
}

void CpuBackend::targets(ResidentPosterior& resident, View out) {
  const auto& model = static_cast<CpuPosterior&>(resident);
  if (out.rows != model.n || out.columns != 1) throw UsageError("targets: out needs a row per point");
  std::copy(model.target.begin(), model.target.end(), out.data);
}

}  // namespace krigon::detail
