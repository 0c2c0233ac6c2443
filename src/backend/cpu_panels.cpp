// L^-1 and L^-T, packed once into panels of two vectors' rows, in the order in which their products read
// them: a library's product would pack them anew at every step of the candidates' search.

#include <algorithm>

#include "backend/cpu_backend.hpp"

namespace krigon::detail {

namespace {

constexpr std::int64_t kStretch = 256;

/// entry(row, column) is where L^-1's is, row >= column, and the next row's `step` behind.
template <typename Entry>
void pack(Pool& pool, CpuPosterior& model, std::int64_t rows, std::int64_t step, const Entry& entry) {
  const std::int64_t n = model.n;
  double* panels = model.panels.data();
  double* transposed = model.transposed_panels.data();
  pool.run((n + rows - 1) / rows, [&](std::int64_t p, int) {
    const std::int64_t first = p * rows;
    const std::int64_t last = std::min(n, first + rows);
    double* panel = panels + model.panel_offset[size_of(p)];
    for (std::int64_t i = 0; i < last; ++i) {
      const std::int64_t top = std::max(i, first);
      const double* from = entry(top, i);
      for (std::int64_t r = top; r < last; ++r) panel[i * rows + r - first] = from[(r - top) * step];
    }
    double* across = transposed + model.transposed_offset[size_of(p)];
    for (std::int64_t r = first; r < last; ++r) {
      const double* from = entry(r, r);
      for (std::int64_t i = r; i < n; ++i) across[(i - first) * rows + r - first] = from[(i - r) * step];
    }
  });
}

}  // namespace

void CpuBackend::pack_inverse(CpuPosterior& model, const Stripes& stripes) {
  pack(pool_, model, tiles_.panel_rows, stripes.height(),
       [&](std::int64_t row, std::int64_t column) { return stripes.inverse_from(row, column); });
}

void CpuBackend::pack_inverse(CpuPosterior& model, const double* inverse, std::int64_t column_step,
                              std::int64_t row_step) {
  pack(pool_, model, tiles_.panel_rows, row_step, [&](std::int64_t row, std::int64_t column) {
    return inverse + column * column_step + row * row_step;
  });
}

void CpuBackend::multiply_panels(const CpuPosterior& model, bool transpose, const double* x,
                                 std::int64_t columns, double* out, std::int64_t first_panel,
                                 std::int64_t last_panel) const {
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t n = model.n;
  const std::int64_t ld = model.leading;
  const double* packed = transpose ? model.transposed_panels.data() : model.panels.data();
  const auto& offsets = transpose ? model.transposed_offset : model.panel_offset;
  // A stretch of x for all panels before the next one: it stays in the second-level cache, and a panel's part
  // of it in the first.
  for (std::int64_t from = 0; from < n; from += kStretch) {
    const std::int64_t to = std::min(n, from + kStretch);
    for (std::int64_t p = first_panel; p < last_panel; ++p) {
      const std::int64_t row = p * rows;
      // L^-1's panel is of columns 0 .. row + rows - 1; L^-T's of row .. n - 1.
      const std::int64_t begin = transpose ? std::max(from, row) : from;
      const std::int64_t end = transpose ? to : std::min(to, row + rows);
      if (begin >= end) continue;
      const double* panel = packed + offsets[size_of(p)] + (transpose ? begin - row : begin) * rows;
      tiles_.panel_multiply(panel, end - begin, x + begin, ld, columns, out + row, ld,
                            begin > (transpose ? row : 0));
    }
  }
}

void CpuBackend::multiply_inverse(const CpuPosterior& model, bool transpose, const double* x,
                                  std::int64_t columns, double* out) const {
  const std::int64_t rows = tiles_.panel_rows;
  multiply_panels(model, transpose, x, columns, out, 0, (model.n + rows - 1) / rows);
}

void CpuBackend::multiply_inverse_shared(const CpuPosterior& model, bool transpose, const double* x,
                                         std::int64_t columns, double* out) {
  const std::int64_t rows = tiles_.panel_rows;
  const std::int64_t panels = (model.n + rows - 1) / rows;
  // Panels differ in length: enough runs of them that threads end together, the longest first.
  const std::int64_t entries = model.n * model.n * columns;
  const std::int64_t runs = entries < 600000 ? 1 : std::min<std::int64_t>(panels, 16);
  pool_.run(runs, [&](std::int64_t task, int) {
    const std::int64_t run = transpose ? task : runs - 1 - task;
    multiply_panels(model, transpose, x, columns, out, panels * run / runs, panels * (run + 1) / runs);
  });
}

}  // namespace krigon::detail
