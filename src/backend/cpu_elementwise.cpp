// The CPU backend's elementwise operations, reductions and rank-one changes of a factor.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "kernels/likelihood.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

void check(bool fine, const char* what) {
  if (!fine) throw UsageError(what);
}

/// Entries that are worth another thread.
constexpr std::int64_t kSharedFrom = 65536;

/// Columns of all members as tasks, in runs long enough to be worth it. body(member, first, last).
template <typename Body>
void over_columns(Pool& pool, const ConstView& shape, const Body& body) {
  const std::int64_t run = std::clamp<std::int64_t>(kSharedFrom / std::max<std::int64_t>(shape.rows, 1), 1,
                                                    std::max<std::int64_t>(shape.columns, 1));
  const std::int64_t runs = (shape.columns + run - 1) / run;
  const auto task = [&](std::int64_t t, int) {
    const std::int64_t first = t % runs * run;
    body(t / runs, first, std::min(shape.columns, first + run));
  };
  if (shape.rows * shape.columns * shape.batch < kSharedFrom) {
    Pool::alone([&] { pool.run(runs * shape.batch, task); });
  } else {
    pool.run(runs * shape.batch, task);
  }
}

}  // namespace

void CpuBackend::add(double alpha, ConstView a, double beta, View b) {
  const bool scalar = a.data != nullptr && a.rows == 1 && a.columns == 1;
  check(a.data == nullptr || ((scalar || (a.rows == b.rows && a.columns == b.columns)) && fits(a, b.batch)),
        "add: the shapes do not match");
  if (b.data == nullptr) return;
  over_columns(pool_, b, [&](std::int64_t member, std::int64_t first, std::int64_t last) {
    const View to = b.member(member);
    const ConstView from = a.data == nullptr ? a : member_of(a, member);
    for (std::int64_t j = first; j < last; ++j) {
      double* out = to.column(j);
      const double* in = a.data == nullptr || scalar ? nullptr : from.column(j);
      const double constant = scalar ? alpha * from.data[0] : 0.0;
      for (std::int64_t i = 0; i < to.rows; ++i) {
        const double added = in == nullptr ? constant : alpha * in[i];
        out[i] = beta == 0 ? added : added + beta * out[i];
      }
    }
  });
}

void CpuBackend::reduce(Reduction reduction, ConstView a, ConstView b, View out) {
  const bool diagonal = reduction == Reduction::log_diagonal || reduction == Reduction::trace;
  check(out.batch == 1 && out.columns == a.batch && out.rows == (diagonal ? 1 : a.columns) &&
            (!diagonal || a.rows == a.columns) &&
            (reduction != Reduction::dot || (b.rows == a.rows && b.columns == a.columns && fits(b, a.batch))),
        "reduce: the shapes do not match");
  for (std::int64_t member = 0; member < a.batch; ++member) {
    const ConstView x = a.member(member);
    double* to = out.column(member);
    if (diagonal) {
      double sum = 0;
      for (std::int64_t i = 0; i < x.rows; ++i) {
        const double entry = x.column(i)[i];
        sum += reduction == Reduction::trace ? entry : std::log(entry);
      }
      to[0] = sum;
      continue;
    }
    const ConstView y = reduction == Reduction::dot ? member_of(b, member) : ConstView{};
    for (std::int64_t j = 0; j < x.columns; ++j) {
      const double* xj = x.column(j);
      double sum = 0;
      if (reduction == Reduction::dot) {
        const double* yj = y.column(j);
        for (std::int64_t i = 0; i < x.rows; ++i) sum += xj[i] * yj[i];
      } else {
        for (std::int64_t i = 0; i < x.rows; ++i) sum += xj[i];
      }
      to[j] = sum;
    }
  }
}

void CpuBackend::top_k(ConstView values, View out) {
  check(values.columns == 1 && out.rows == 2 && out.columns <= values.rows && out.batch == values.batch,
        "top_k: values need one column, out 2 rows and no more columns than there are values");
  std::vector<std::int64_t> order(static_cast<std::size_t>(values.rows));
  for (std::int64_t member = 0; member < values.batch; ++member) {
    const double* value = values.member(member).data;
    const auto key = [value](std::int64_t i) {
      return std::isnan(value[i]) ? -std::numeric_limits<double>::infinity() : value[i];
    };
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::partial_sort(
        order.begin(), order.begin() + out.columns, order.end(),
        [&](std::int64_t i, std::int64_t j) { return key(i) != key(j) ? key(i) > key(j) : i < j; });
    for (std::int64_t j = 0; j < out.columns; ++j) {
      const std::int64_t index = order[static_cast<std::size_t>(j)];
      double* to = out.member(member).column(j);
      to[0] = key(index);
      to[1] = static_cast<double>(index);
    }
  }
}

void CpuBackend::cholesky_append(View l, ConstView row, double floor) {
  check(l.rows == l.columns && l.rows >= 1 && l.batch == 1 && row.rows == l.rows && row.columns == 1,
        "cholesky_append: l is square and row as long");
  const SerialBlas serial;
  const std::int64_t n = l.rows - 1;
  std::vector<double> solved(row.data, row.data + n);
  blas_solve_vector(false, n, l.data, l.leading, solved.data());
  const double own = row.data[n];
  const double square = own - blas_dot(n, solved.data(), 1, solved.data(), 1);
  for (std::int64_t i = 0; i < n; ++i) l.column(i)[n] = solved[static_cast<std::size_t>(i)];
  l.column(n)[n] = std::sqrt(std::max(square, floor * own));
}

void CpuBackend::cholesky_remove(View l, std::int64_t index) {
  check(l.rows == l.columns && l.batch == 1 && index >= 0 && index < l.rows,
        "cholesky_remove: l is square and the index below its order");
  // Without its row `index`, the factor is L11, [L31 L33] and the column l32 between: L33 L33' + l32 l32'
  // is the new last block, made by rotations of column pairs (Golub and Van Loan 2013, section 6.5.4).
  const std::int64_t n = l.rows;
  std::vector<double> change(static_cast<std::size_t>(n));
  for (std::int64_t i = index + 1; i < n; ++i) change[static_cast<std::size_t>(i)] = l.column(index)[i];
  for (std::int64_t k = index + 1; k < n; ++k) {
    double* column = l.column(k);
    const double diagonal = column[k];
    const double rest = change[static_cast<std::size_t>(k)];
    const double length = std::hypot(diagonal, rest);
    const double c = diagonal / length;
    const double s = rest / length;
    for (std::int64_t i = k; i < n; ++i) {
      const double value = column[i];
      const double other = change[static_cast<std::size_t>(i)];
      column[i] = c * value + s * other;
      change[static_cast<std::size_t>(i)] = c * other - s * value;
    }
  }
  // Close the gap: rows below move up, columns after it move left.
  for (std::int64_t j = 0; j < index; ++j) {
    double* column = l.column(j);
    std::copy(column + index + 1, column + n, column + index);
  }
  for (std::int64_t j = index + 1; j < n; ++j)
    std::copy(l.column(j) + j, l.column(j) + n, l.column(j - 1) + j - 1);
}

void CpuBackend::add_noise(const ResidentCovariance& covariance, ConstView theta, ConstView noise, View k) {
  const ThetaLayout& layout = covariance.layout;
  check(k.rows == k.columns && theta.rows == layout.rows() &&
            (theta.columns == k.batch || theta.columns == 1) &&
            (noise.data == nullptr || (noise.rows == k.rows && noise.columns == 1 && fits(noise, k.batch))),
        "add_noise: the shapes do not match");
  for (std::int64_t member = 0; member < k.batch; ++member) {
    const double* t = theta.column(theta.columns == 1 ? 0 : member);
    const double variance = std::exp(t[layout.noise()]);
    double signal = 0;
    for (std::int64_t term = 0; term < layout.terms; ++term) signal += std::exp(t[layout.signal() + term]);
    const double everywhere = variance + t[layout.jitter()] * (signal + variance);
    const View to = k.member(member);
    const double* known = noise.data == nullptr ? nullptr : member_of(noise, member).data;
    for (std::int64_t i = 0; i < to.rows; ++i) {
      to.column(i)[i] += everywhere + (known == nullptr ? 0.0 : known[i]);
    }
  }
}

void CpuBackend::likelihood_adjoint(ConstView alpha, View k) {
  check(k.rows == k.columns && alpha.rows == k.rows && alpha.batch == k.batch,
        "likelihood_adjoint: the shapes do not match");
  const auto outputs = static_cast<double>(alpha.columns);
  // First the lower triangle, by columns; then its mirror image, which reads what others wrote.
  over_columns(pool_, k, [&](std::int64_t member, std::int64_t first, std::int64_t last) {
    const View to = k.member(member);
    const ConstView a = alpha.member(member);
    for (std::int64_t j = first; j < last; ++j) {
      double* column = to.column(j);
      for (std::int64_t i = j; i < to.rows; ++i) column[i] *= -0.5 * outputs;
      for (std::int64_t o = 0; o < a.columns; ++o) {
        const double* ao = a.column(o);
        const double half = 0.5 * ao[j];
        for (std::int64_t i = j; i < to.rows; ++i) column[i] += half * ao[i];
      }
    }
  });
  over_columns(pool_, k, [&](std::int64_t member, std::int64_t first, std::int64_t last) {
    const View to = k.member(member);
    for (std::int64_t j = first; j < last; ++j) {
      double* column = to.column(j);
      for (std::int64_t i = 0; i < j; ++i) column[i] = to.column(i)[j];
    }
  });
}

void CpuBackend::finish_likelihood(const ResidentData& data, ConstView theta, ConstView parts,
                                   ConstView dtheta, View out) {
  const ThetaLayout& layout = data.layout;
  check(theta.rows == layout.rows() && parts.rows == 5 && dtheta.rows == layout.parameters() &&
            out.rows == layout.parameters() + 2 && theta.columns == out.columns &&
            parts.columns == out.columns && dtheta.columns == out.columns,
        "finish_likelihood: the shapes do not match");
  for (std::int64_t b = 0; b < out.columns; ++b) {
    const double* t = theta.column(b);
    const double* p = parts.column(b);
    const LikelihoodParts all{p[0], p[1], p[2], p[3], p[4]};
    double* to = out.column(b);
    to[0] = all.info;
    to[1] = log_likelihood(all, static_cast<double>(data.n), static_cast<double>(data.outputs));
    if (to[0] == 0 && !std::isfinite(to[1])) to[0] = -1;
    if (to[0] != 0) {
      std::fill(to + 1, to + out.rows, std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    double* gradient = to + 2;
    std::copy_n(dtheta.column(b), layout.noise(), gradient);
    const double jitter = t[layout.jitter()];
    for (std::int64_t term = layout.signal(); term < layout.noise(); ++term) {
      gradient[term] += jitter_signal_gradient(all, std::exp(t[term]), jitter);
    }
    gradient[layout.noise()] = noise_gradient(all, std::exp(t[layout.noise()]), jitter);
    gradient[layout.mean()] = all.alpha_sum;
  }
}

void CpuBackend::waves(ConstView waves, ConstView u, View out) {
  check(waves.rows == u.rows + 2 && out.rows == waves.columns && out.columns == u.columns && out.batch == 1,
        "waves: the shapes do not match");
  gemm(1, {waves.data, u.rows, waves.columns, waves.leading}, Transpose::yes, u, Transpose::no, 0, out);
  over_columns(pool_, out, [&](std::int64_t, std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) {
      double* column = out.column(j);
      for (std::int64_t r = 0; r < out.rows; ++r) {
        const double* wave = waves.column(r) + u.rows;
        column[r] = wave[1] * std::cos(column[r] + wave[0]);
      }
    }
  });
}

}  // namespace krigon::detail
