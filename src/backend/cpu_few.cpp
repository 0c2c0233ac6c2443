// The prepared posterior at a few candidates at once, as a lockstep search for the acquisition's maximum asks
// for it: too few for the arithmetic to hide the reading of L^-1, which threads therefore share. With
// gradients, L^-T v is made along with v = L^-1 k: each panel of L^-1 then comes from memory once and not
// twice.

#include <algorithm>
#include <cmath>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"

namespace krigon::detail {

namespace {

constexpr std::int64_t kMostCandidates = 40;
constexpr std::int64_t kFewestPoints = 512;
constexpr std::int64_t kCandidatesOfTask = 4;
constexpr std::int64_t kRowsOfTask = 256;
constexpr std::int64_t kStretch = 256;  ///< of a panel: it stays in the first-level cache for all candidates

/// Runs of panels, each with a sum of its own: as many whatever the number of threads, so that the result
/// does not depend on it.
std::int64_t runs_of(std::int64_t n) {
  return std::clamp<std::int64_t>(n / 250, 2, 16);
}

/// Where run `run` of `runs` begins, its share of the triangle's area being that of the others.
std::int64_t first_panel(std::int64_t run, std::int64_t runs, std::int64_t panels) {
  const double share = static_cast<double>(run) / static_cast<double>(runs);
  return std::lround(std::sqrt(share) * static_cast<double>(panels));
}

}  // namespace

bool CpuBackend::are_few(const CpuPosterior& model, std::int64_t m) {
  return m >= 1 && m <= kMostCandidates && model.n >= kFewestPoints;
}

void CpuBackend::covary_few(const CpuPosterior& model, ConstView x, View out, double* z, double* k,
                            double* weights) {
  const std::int64_t m = x.columns;
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  pool_.run((m + kCandidatesOfTask - 1) / kCandidatesOfTask, [&](std::int64_t task, int) {
    const std::int64_t first = task * kCandidatesOfTask;
    const std::int64_t count = std::min(kCandidatesOfTask, m - first);
    for (std::int64_t j = first; j < first + count; ++j) {
      for (std::int64_t d = 0; d < dims; ++d) {
        z[j * dims + d] = x.column(j)[d] * model.inverse_length[size_of(d)];
      }
    }
    tiles_.gram(static_cast<std::int32_t>(model.kind), model.n, count, dims, model.points.data(), ld,
                z + first * dims, dims, model.signal, k + first * ld, ld,
                weights == nullptr ? nullptr : weights + first * ld, ld, false, 0);
    for (std::int64_t j = first; j < first + count; ++j) {
      out.column(j)[0] = model.mean + blas_dot(model.n, k + j * ld, 1, model.alpha.data(), 1);
    }
  });
}

void CpuBackend::evaluate_few(CpuPosterior& model, ConstView x, View out) {
  const SerialBlas serial;
  const std::int64_t m = x.columns;
  const std::int64_t ld = model.leading;
  double* z = model.work.front().need(size_of((2 * ld + model.columns) * m));
  double* k = z + model.columns * m;
  double* v = k + ld * m;
  covary_few(model, x, out, z, k, nullptr);
  multiply_inverse_shared(model, false, k, m, v);
  for (std::int64_t j = 0; j < m; ++j) {
    out.column(j)[1] = model.signal - blas_dot(model.n, v + j * ld, 1, v + j * ld, 1);
  }
}

void CpuBackend::evaluate_few_for_vjp(CpuPosterior& model, ConstView x, View out) {
  const SerialBlas serial;
  const std::int64_t m = x.columns;
  const std::int64_t ld = model.leading;
  double* k = model.work.front().need(size_of((ld + 1) * m));
  double* square = k + ld * m;
  covary_few(model, x, out, model.candidates.data(), k, model.weights.data());
  solve_few(model, k, m, model.solved.data(), square);
  for (std::int64_t j = 0; j < m; ++j) out.column(j)[1] = model.signal - square[j];
}

void CpuBackend::solve_few(CpuPosterior& model, const double* k, std::int64_t m, double* w, double* square) {
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t n = model.n;
  const std::int64_t ld = model.leading;
  const std::int64_t panels = (n + rows - 1) / rows;
  const std::int64_t runs = runs_of(n);
  const std::int64_t columns = (m + rows / 2 - 1) / (rows / 2) * (rows / 2);
  // Of each run: w's share, a candidate after the other for each point; the squares; a panel of v, by
  // candidates and by rows.
  const std::int64_t space = (panels * rows + 1 + 2 * rows) * columns;
  double* all = model.few.need(size_of(runs * space));
  const double* packed = model.panels.data();
  pool_.run(runs, [&](std::int64_t task, int) {
    const std::int64_t run = runs - 1 - task;  // the one with the longest panels first
    double* sum = all + run * space;
    double* squares = sum + panels * rows * columns;
    double* v = squares + columns;
    double* across = v + rows * columns;
    const std::int64_t last = first_panel(run + 1, runs, panels);
    std::fill_n(sum, last * rows * columns, 0.0);
    std::fill_n(squares, columns, 0.0);
    std::fill_n(across, rows * columns, 0.0);
    for (std::int64_t p = first_panel(run, runs, panels); p < last; ++p) {
      const double* panel = packed + model.panel_offset[size_of(p)];
      const std::int64_t length = std::min(n, (p + 1) * rows);
      for (std::int64_t i = 0; i < length; i += kStretch) {
        tiles_.panel_multiply(panel + i * rows, std::min(kStretch, length - i), k + i, ld, m, v, rows, i > 0);
      }
      for (std::int64_t j = 0; j < m; ++j) {
        for (std::int64_t r = 0; r < rows; ++r) {
          const double value = v[j * rows + r];
          across[r * columns + j] = value;
          squares[j] += value * value;
        }
      }
      tiles_.panel_transposed_add(panel, length, across, columns, sum);
    }
  });
  for (std::int64_t j = 0; j < m; ++j) {
    square[j] = 0;
    for (std::int64_t run = 0; run < runs; ++run) square[j] += all[run * space + panels * rows * columns + j];
  }
  pool_.run((n + kRowsOfTask - 1) / kRowsOfTask, [&](std::int64_t task, int) {
    const std::int64_t end = std::min(n, (task + 1) * kRowsOfTask);
    for (std::int64_t i = task * kRowsOfTask; i < end; ++i) {
      // The runs that reach this row.
      double* total = all + (runs - 1) * space + i * columns;
      for (std::int64_t run = runs - 2; run >= 0 && i < first_panel(run + 1, runs, panels) * rows; --run) {
        const double* share = all + run * space + i * columns;
        for (std::int64_t j = 0; j < columns; ++j) total[j] += share[j];
      }
      for (std::int64_t j = 0; j < m; ++j) w[j * ld + i] = total[j];
    }
  });
}

void CpuBackend::pull_few(CpuPosterior& model, ConstView adjoint, View dx) {
  const std::int64_t dims = model.columns;
  const std::int64_t ld = model.leading;
  double* g = model.work.front().need(size_of(ld * pool_.threads()));
  pool_.run(model.kept, [&](std::int64_t j, int worker) {
    const double* a = adjoint.column(j);
    tiles_.pull_back(model.n, dims, a[0], -2.0 * a[1], model.alpha.data(), model.solved.data() + j * ld,
                     model.weights.data() + j * ld, model.points.data(), ld,
                     model.candidates.data() + j * dims, model.inverse_length.data(), g + worker * ld,
                     dx.column(j));
  });
}

}  // namespace krigon::detail
