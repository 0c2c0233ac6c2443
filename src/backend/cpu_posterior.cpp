// The prepared posterior: mean and variance at many candidates at once, and their gradients.
//
//   k_j = k(X, x_j),  mean_j = c + k_j' alpha,  v_j = L^-1 k_j,  variance_j = s2 - v_j' v_j
//   d mean_j/d x_j = sum_i alpha_i d k_ij/d x_j,  d variance_j/d x_j = -2 sum_i (L^-T v_j)_i d k_ij/d x_j
//
// Variances come from L^-1, which keeps ten digits near the data where K^-1 keeps five.

#include <algorithm>
#include <cmath>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "kernels/covariance.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

constexpr std::int64_t kChunk = 80;  ///< candidates that a thread takes at a time, at most, or one group

}  // namespace

void CpuPosterior::release() noexcept {
  for (Scratch* scratch : {&factor, &panels, &transposed_panels}) {
    spare_->give(std::move(*scratch));
    *scratch = {};
  }
  points = {};
  alpha = {};
  target = {};
}

void CpuBackend::allocate_posterior(CpuPosterior& model, std::int64_t capacity) const {
  model.capacity = capacity;
  model.leading = padded_rows(capacity);
  model.release();
  model.points.need(size_of(model.leading * model.columns));
  model.alpha.need(size_of(capacity * model.outputs));
  model.target.need(size_of(capacity * model.outputs));
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

std::unique_ptr<ResidentPosterior> CpuBackend::prepare(ResidentData& resident, ConstView theta,
                                                       double* info) {
  auto* plain = dynamic_cast<CpuData*>(&resident);
  if (plain == nullptr) return ComposedBackend::prepare(resident, theta, info);
  const CpuData& data = *plain;
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
  model->outputs = data.outputs;
  model->kind = data.kind;
  model->signal = std::exp(t[data.groups]);
  model->noise = noise + t[data.groups + 3] * (model->signal + noise);
  model->floor = 1e-10 * (model->signal + noise);
  model->mean = t[data.groups + 2];
  model->theta.assign(t, t + theta.rows);
  model->group = data.group;
  for (const std::int32_t group : data.group) model->inverse_length.push_back(std::exp(-t[group]));
  allocate_posterior(*model, n + std::max<std::int64_t>(16, n / 8));
  for (std::int64_t o = 0; o < data.outputs; ++o) {
    std::copy_n(data.targets.data() + o * n, n, model->target_of(o));
  }

  const auto factorise = [&]() -> std::int64_t {
    LikelihoodSpace& space = spaces_.front();
    fill_covariance(data, t, space, false);
    const std::int64_t status = space.stripes.factorise(pool_);
    if (status != 0) return status;
    space.stripes.copy_factor(model->factor.data(), model->leading);
    space.stripes.invert(pool_);
    pack_inverse(*model, space.stripes);
    solve_alpha(*model);
    for (std::int64_t o = 0; o < model->outputs; ++o) {
      const double* alpha = model->alpha_of(o);
      if (!std::all_of(alpha, alpha + n, [](double a) { return std::isfinite(a); })) return -1;
    }
    return 0;
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
  const double* l = model.factor.data();
  for (std::int64_t o = 0; o < model.outputs; ++o) {
    double* alpha = model.alpha_of(o);
    const double* target = model.target_of(o);
    for (std::int64_t i = 0; i < model.n; ++i) alpha[i] = target[i] - model.mean;
    blas_solve_vector(false, model.n, l, model.leading, alpha);
    blas_solve_vector(true, model.n, l, model.leading, alpha);
  }
}

std::int64_t CpuBackend::chunk_of(const CpuPosterior& model, std::int64_t m, std::int64_t q) const {
  // About 20 microseconds of work are worth another thread.
  const std::int64_t threads =
      model.n * (model.n + 8 * model.columns + 64) * m < 400000 ? 1 : pool_.threads();
  const std::int64_t share = (m + threads - 1) / threads;
  const std::int64_t chunk = std::clamp<std::int64_t>((share + 4) / 5 * 5, 5, kChunk);
  return q == 1 ? chunk : std::max<std::int64_t>(1, chunk / q) * q;
}

std::int64_t CpuBackend::candidates_at_a_time(const ResidentPosterior& model) const {
  if (dynamic_cast<const CpuPosterior*>(&model) == nullptr) return Backend::candidates_at_a_time(model);
  return 2 * kChunk * pool_.threads();  // a second chunk for the thread that is done first
}

void CpuBackend::posterior(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto* model = dynamic_cast<CpuPosterior*>(&resident);
  if (model == nullptr) return ComposedBackend::posterior(resident, x, q, out);
  evaluate_posterior(*model, x, q, out, false);
}

void CpuBackend::posterior_for_vjp(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto* model = dynamic_cast<CpuPosterior*>(&resident);
  if (model == nullptr) return ComposedBackend::posterior_for_vjp(resident, x, q, out);
  model->candidates.need(size_of(model->columns * x.columns));
  model->weights.need(size_of(model->leading * x.columns));
  model->solved.need(size_of(model->leading * x.columns));
  evaluate_posterior(*model, x, q, out, true);
  model->kept = x.columns;
  model->kept_q = q;
}

void CpuBackend::joint_covariance(const CpuPosterior& model, const double* z, const double* v, std::int64_t q,
                                  double* covariance) const {
  const std::int64_t dims = model.columns;
  for (std::int64_t j = 0; j < q; ++j) {
    for (std::int64_t i = j; i < q; ++i) {
      double r2 = 0;
      for (std::int64_t d = 0; d < dims; ++d) {
        const double difference = z[i * dims + d] - z[j * dims + d];
        r2 += difference * difference;
      }
      const double prior = model.signal * stationary_value(model.kind, r2).value;
      const double entry = prior - blas_dot(model.n, v + i * model.leading, 1, v + j * model.leading, 1);
      covariance[j * q + i] = covariance[i * q + j] = entry;
    }
  }
}

void CpuBackend::evaluate_posterior(CpuPosterior& model, ConstView x, std::int64_t q, View out, bool keep) {
  const std::int64_t outputs = model.outputs;
  if (q < 1 || x.rows != model.columns || out.rows != q * (outputs + q) || x.columns != out.columns * q) {
    throw UsageError(
        "posterior: x needs a row per column of the data and q columns a member, out a column a member and "
        "q T + q^2 rows");
  }
  const SerialBlas serial;
  const std::int64_t m = x.columns;
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  const bool single = q == 1 && outputs == 1;
  if (single && are_few(model, m)) {
    return keep ? evaluate_few_for_vjp(model, x, out) : evaluate_few(model, x, out);
  }
  const std::int64_t chunk = chunk_of(model, m, q);
  const std::int64_t widest = std::max(kChunk, chunk);
  const auto evaluate = [&](std::int64_t task, int worker) {
    const std::int64_t first = task * chunk;
    const std::int64_t count = std::min(chunk, m - first);
    double* work = model.work[size_of(worker)].need(size_of((2 * ld + dims + outputs) * widest));
    double* k = work + dims * widest;
    double* v = keep ? model.solved.data() + first * ld : k + ld * widest;
    double* z = keep ? model.candidates.data() + first * dims : work;
    double* means = work + (dims + 2 * ld) * widest;
    for (std::int64_t j = 0; j < count; ++j) {
      for (std::int64_t d = 0; d < dims; ++d) {
        z[j * dims + d] = x.column(first + j)[d] * model.inverse_length[size_of(d)];
      }
    }
    tiles_.gram(static_cast<std::int32_t>(model.kind), model.n, count, dims, model.points.data(), ld, z, dims,
                model.signal, k, ld, keep ? model.weights.data() + first * ld : nullptr, ld, false, 0);
    multiply_inverse(model, false, k, count, v);
    if (single) {
      for (std::int64_t j = 0; j < count; ++j) {
        double mean = 0;
        double square = 0;
        tiles_.moments(model.n, k + j * ld, model.alpha.data(), v + j * ld, &mean, &square);
        out.column(first + j)[0] = model.mean + mean;
        out.column(first + j)[1] = model.signal - square;
      }
      return;
    }
    std::fill_n(means, count * outputs, 0.0);
    if (model.n > 0) {
      blas_gemm(true, false, count, outputs, model.n, 1.0, k, ld, model.alpha.data(), model.capacity, 0.0,
                means, count);
    }
    for (std::int64_t j = 0; j < count; j += q) {
      double* to = out.column((first + j) / q);
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < q; ++i) to[o * q + i] = model.mean + means[o * count + j + i];
      }
      joint_covariance(model, z + j * dims, v + j * ld, q, to + q * outputs);
    }
  };
  pool_.run((m + chunk - 1) / chunk, evaluate);
}

void CpuBackend::posterior_vjp(ResidentPosterior& resident, ConstView adjoint, View dx) {
  auto* plain = dynamic_cast<CpuPosterior*>(&resident);
  if (plain == nullptr) return ComposedBackend::posterior_vjp(resident, adjoint, dx);
  CpuPosterior& model = *plain;
  const std::int64_t m = model.kept;
  const std::int64_t q = model.kept_q;
  const std::int64_t outputs = model.outputs;
  if (adjoint.rows != q * (outputs + q) || adjoint.columns * q != m || dx.rows != model.columns ||
      dx.columns != m) {
    throw UsageError(
        "posterior_vjp: adjoint and dx need the shapes of out and x of the last posterior_for_vjp");
  }
  const SerialBlas serial;
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  const bool single = q == 1 && outputs == 1;
  if (single && are_few(model, m)) return pull_few(model, adjoint, dx);
  const std::int64_t chunk = chunk_of(model, m, q);
  const std::int64_t widest = std::max(kChunk, chunk);
  pool_.run((m + chunk - 1) / chunk, [&](std::int64_t task, int worker) {
    const std::int64_t first = task * chunk;
    const std::int64_t count = std::min(chunk, m - first);
    double* work = model.work[size_of(worker)].need(size_of((3 * ld + dims) * widest));
    double* g = work;
    double* v = g + ld * widest;
    if (single) {
      multiply_inverse(model, true, model.solved.data() + first * ld, count, v);
      for (std::int64_t j = 0; j < count; ++j) {
        const double* a = adjoint.column(first + j);
        tiles_.pull_back(model.n, dims, a[0], -2.0 * a[1], model.alpha.data(), v + j * ld,
                         model.weights.data() + (first + j) * ld, model.points.data(), ld,
                         model.candidates.data() + (first + j) * dims, model.inverse_length.data(), g,
                         dx.column(first + j));
      }
      return;
    }
    // dv = -v (dC + dC'), then dk = L^-T dv + alpha dmean'.
    double* dv = v + ld * widest;
    std::vector<double> both(size_of(q * q));
    for (std::int64_t j = 0; j < count; j += q) {
      const double* dc = adjoint.column((first + j) / q) + q * outputs;
      for (std::int64_t c = 0; c < q; ++c) {
        for (std::int64_t r = 0; r < q; ++r) both[size_of(c * q + r)] = dc[c * q + r] + dc[r * q + c];
      }
      if (model.n > 0) {
        blas_gemm(false, false, model.n, q, q, -1.0, model.solved.data() + (first + j) * ld, ld, both.data(),
                  q, 0.0, dv + j * ld, ld);
      }
    }
    multiply_inverse(model, true, dv, count, v);
    for (std::int64_t j = 0; j < count; j += q) {
      const double* a = adjoint.column((first + j) / q);
      const double* dc = a + q * outputs;
      if (model.n > 0) {
        blas_gemm(false, true, model.n, q, outputs, 1.0, model.alpha.data(), model.capacity, a, q, 1.0,
                  v + j * ld, ld);
      }
      for (std::int64_t i = 0; i < q; ++i) {
        const double* z = model.candidates.data() + (first + j + i) * dims;
        double* to = dx.column(first + j + i);
        tiles_.pull_back(model.n, dims, 1.0, 0.0, v + (j + i) * ld, v + (j + i) * ld,
                         model.weights.data() + (first + j + i) * ld, model.points.data(), ld, z,
                         model.inverse_length.data(), g, to);
        for (std::int64_t other = 0; other < q; ++other) {
          const double* w = model.candidates.data() + (first + j + other) * dims;
          double r2 = 0;
          for (std::int64_t d = 0; d < dims; ++d) r2 += (w[d] - z[d]) * (w[d] - z[d]);
          const double change = (dc[other * q + i] + dc[i * q + other]) * model.signal *
                                stationary_value(model.kind, r2).weight;
          for (std::int64_t d = 0; d < dims; ++d) {
            to[d] += change * (w[d] - z[d]) * model.inverse_length[size_of(d)];
          }
        }
      }
    }
  });
}

ComposedBackend::PathBasis CpuBackend::path_basis(ResidentPosterior& resident) {
  auto* plain = dynamic_cast<CpuPosterior*>(&resident);
  if (plain == nullptr) return ComposedBackend::path_basis(resident);
  CpuPosterior& model = *plain;
  if (model.covariance == nullptr) {
    CovarianceSpec spec = CovarianceSpec::matern52(model.group);
    spec.factors.front().kind = model.kind;
    model.covariance = load_covariance(spec);
  }
  const std::int64_t dims = model.columns;
  const std::int64_t n = model.n;
  model.features.resize(size_of(n * dims));
  for (std::int64_t k = 0; k < dims; ++k) {
    const double* points = model.points.data() + k * model.leading;
    for (std::int64_t i = 0; i < n; ++i) model.features[size_of(i * dims + k)] = points[i];
  }
  const auto rows = static_cast<std::int64_t>(model.theta.size());
  return {model.covariance,
          {model.theta.data(), rows, 1, rows},
          {model.features.data(), dims, n, dims},
          {model.factor.data(), n, n, model.leading},
          {model.target.data(), n, 1, model.capacity}};
}

}  // namespace krigon::detail
