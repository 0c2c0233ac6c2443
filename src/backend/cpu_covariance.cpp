// The CPU backend's covariances of several factors: features, Gram matrices and their adjoints.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "backend/blas.hpp"
#include "backend/cpu_backend.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

void check(bool fine, const char* what) {
  if (!fine) throw UsageError(what);
}

/// Columns of a task that pulls back.
constexpr std::int64_t kChunk = 32;
/// Rows and columns of a Gram matrix's block: in the second-level cache until it is written out, and mirrored
/// by so many rows that each page is touched for a kilobyte.
constexpr std::int64_t kBlock = 128;
constexpr std::int64_t kMirrored = 8;  ///< columns at a time: as many as share a line when they are rows
/// Entries of a matrix that no cache holds: written past them.
constexpr std::int64_t kLarge = std::int64_t{1} << 20;

/// to := from. What is large goes past the caches: the lines written to need not be read first, which is half
/// of the traffic, and would only drive others out.
void write(double* to, const double* from, std::int64_t n, bool large) {
#if defined(__SSE2__)
  if (large) {
    std::int64_t i = 0;
    if ((reinterpret_cast<std::uintptr_t>(to) & 15U) != 0 && n > 0) to[i] = from[i], ++i;
    for (; i + 2 <= n; i += 2) _mm_stream_pd(to + i, _mm_loadu_pd(from + i));
    if (i < n) to[i] = from[i];
    return;
  }
#endif
  std::copy_n(from, n, to);
}

void settle() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

const double* theta_of(const ConstView& theta, std::int64_t member) {
  return theta.column(theta.columns == 1 ? 0 : member);
}

/// Values and weights of every factor between `n` points and the `count` of a chunk, then what each term is
/// worth. Tiles are ld x count; x has columns ldx apart.
class FactorTiles {
 public:
  static std::int64_t needed(const CpuCovariance& covariance, std::int64_t ld, std::int64_t most) {
    const auto factors = static_cast<std::int64_t>(covariance.factors.size());
    return ld * most * (2 * factors + covariance.layout.terms + 1);
  }

  /// Of `most` columns at most.
  FactorTiles(const CpuCovariance& covariance, std::int64_t n, std::int64_t ldx, std::int64_t ld,
              std::int64_t most, double* space)
      : covariance_(covariance), n_(n), ldx_(ldx), ld_(ld), size_(ld * most), space_(space) {}

  /// x: n x F, padded; z: the chunk's features, F x count.
  void fill(const Tiles& tiles, const double* x, const double* z, std::int64_t ldz, std::int64_t count,
            bool weights) {
    count_ = count;
    for (std::size_t f = 0; f < covariance_.factors.size(); ++f) {
      const auto& factor = covariance_.factors[f];
      const double* xf = x + factor.first * ldx_;
      const double* zf = z + factor.first;
      if (factor.kind == CovarianceKind::linear) {
        tiles.products(n_, count, factor.count, xf, ldx_, zf, ldz, value(f), ld_);
      } else {
        tiles.gram(static_cast<std::int32_t>(factor.kind), n_, count, factor.count, xf, ldx_, zf, ldz, 1.0,
                   value(f), ld_, weights ? weight(f) : nullptr, ld_, false, 0);
      }
    }
    for (std::int64_t t = 0; t < covariance_.layout.terms; ++t) {
      if (only_factor(t) != nullptr) continue;
      double* product = product_of(t);
      std::fill_n(product, ld_ * count, 1.0);
      for (std::size_t f = 0; f < covariance_.factors.size(); ++f) {
        if (covariance_.factors[f].term == t) multiply(value(f), product);
      }
    }
  }

  double* value(std::size_t f) { return space_ + size_ * static_cast<std::int64_t>(2 * f); }
  double* weight(std::size_t f) { return value(f) + size_; }
  /// The product of the term's factors.
  const double* term(std::int64_t t) {
    const double* only = only_factor(t);
    return only != nullptr ? only : product_of(t);
  }
  /// For the chunk's part of dk, or whatever a caller needs.
  double* spare() { return product_of(covariance_.layout.terms); }

  /// weight(f) := dk * s2 * the other factors of the term * (f's weight, or 1 where it is linear).
  void share(std::size_t f, double signal, const double* dk) {
    const auto& factor = covariance_.factors[f];
    double* out = weight(f);
    const std::int64_t size = ld_ * count_;
    if (factor.kind == CovarianceKind::linear) std::fill_n(out, size, 1.0);
    for (std::int64_t i = 0; i < size; ++i) out[i] *= signal * dk[i];
    for (std::size_t other = 0; other < covariance_.factors.size(); ++other) {
      if (other != f && covariance_.factors[other].term == factor.term) multiply(value(other), out);
    }
  }

 private:
  double* product_of(std::int64_t t) { return value(covariance_.factors.size()) + size_ * t; }
  /// The value of the term's factor where it has but one.
  const double* only_factor(std::int64_t t) {
    const double* only = nullptr;
    for (std::size_t f = 0; f < covariance_.factors.size(); ++f) {
      if (covariance_.factors[f].term != t) continue;
      if (only != nullptr) return nullptr;
      only = value(f);
    }
    return only;
  }
  void multiply(const double* by, double* out) const {
    for (std::int64_t i = 0; i < ld_ * count_; ++i) out[i] *= by[i];
  }

  const CpuCovariance& covariance_;
  std::int64_t n_;
  std::int64_t ldx_;
  std::int64_t ld_;
  std::int64_t size_;  ///< of the room for a tile
  std::int64_t count_ = 0;
  double* space_;
};

/// F x n features of every member as n x F, padded with zeros, one member after the other.
void transpose_features(const ConstView& all, std::int64_t ld, double* x) {
  for (std::int64_t b = 0; b < all.batch; ++b, x += ld * all.rows) {
    const ConstView u = member_of(all, b);
    for (std::int64_t k = 0; k < u.rows; ++k) std::fill(x + k * ld + u.columns, x + (k + 1) * ld, 0.0);
    for (std::int64_t i = 0; i < u.columns; ++i) {
      for (std::int64_t k = 0; k < u.rows; ++k) x[k * ld + i] = u.column(i)[k];
    }
  }
}

}  // namespace

std::unique_ptr<ResidentCovariance> CpuBackend::load_covariance(const CovarianceSpec& spec) {
  spec.check();
  auto covariance = std::make_unique<CpuCovariance>();
  covariance->spec = spec;
  covariance->layout = {spec.groups(), spec.periods(), spec.terms()};
  covariance->columns = spec.columns();
  covariance->features = spec.features();
  std::int64_t next = 0;
  for (const CovarianceFactor& factor : spec.factors) {
    const bool periodic = factor.kind == CovarianceKind::periodic;
    const auto count = static_cast<std::int64_t>(factor.columns.size()) * (periodic ? 2 : 1);
    covariance->factors.push_back({periodic ? CovarianceKind::rbf : factor.kind, next, count, factor.term});
    next += count;
    for (std::size_t c = 0; c < factor.columns.size(); ++c) {
      covariance->map.push_back({factor.columns[c], factor.groups[c], periodic ? factor.periods[c] : -1});
    }
  }
  return covariance;
}

void CpuBackend::features(const ResidentCovariance& resident, ConstView x, ConstView theta, View u) {
  const auto& covariance = static_cast<const CpuCovariance&>(resident);
  const ThetaLayout& layout = covariance.layout;
  check(x.rows >= covariance.columns && u.rows == covariance.features && u.columns == x.columns &&
            fits(x, u.batch) && theta.rows == layout.rows() &&
            (theta.columns == u.batch || theta.columns == 1),
        "features: the shapes do not match");
  for (std::int64_t member = 0; member < u.batch; ++member) {
    const double* t = theta_of(theta, member);
    const ConstView from = member_of(x, member);
    const View to = u.member(member);
    std::int64_t k = 0;
    for (const FeatureMap& map : covariance.map) {
      const double scale = std::exp(-t[map.group]);
      if (map.period < 0) {
        for (std::int64_t i = 0; i < to.columns; ++i) to.column(i)[k] = from.column(i)[map.column] * scale;
        ++k;
        continue;
      }
      const double rate = 2 * std::numbers::pi * std::exp(-t[layout.period() + map.period]);
      for (std::int64_t i = 0; i < to.columns; ++i) {
        const double angle = rate * from.column(i)[map.column];
        to.column(i)[k] = scale * std::cos(angle);
        to.column(i)[k + 1] = scale * std::sin(angle);
      }
      k += 2;
    }
  }
}

void CpuBackend::features_vjp(const ResidentCovariance& resident, ConstView x, ConstView theta, ConstView du,
                              View dtheta, View dx) {
  const auto& covariance = static_cast<const CpuCovariance&>(resident);
  const ThetaLayout& layout = covariance.layout;
  check(du.rows == covariance.features && du.columns == x.columns && fits(x, du.batch) &&
            theta.rows == layout.rows() && (theta.columns == du.batch || theta.columns == 1) &&
            (dtheta.data == nullptr || (dtheta.rows == layout.parameters() && dtheta.columns == du.batch)) &&
            (dx.data == nullptr || (dx.rows == x.rows && dx.columns == x.columns && dx.batch == du.batch)),
        "features_vjp: the shapes do not match");
  for (std::int64_t member = 0; member < du.batch; ++member) {
    const double* t = theta_of(theta, member);
    const ConstView from = member_of(x, member);
    const ConstView change = du.member(member);
    double* gradient = dtheta.data == nullptr ? nullptr : dtheta.column(member);
    const View to = dx.data == nullptr ? dx : dx.member(member);
    std::int64_t k = 0;
    for (const FeatureMap& map : covariance.map) {
      const double scale = std::exp(-t[map.group]);
      double by_length = 0;
      double by_period = 0;
      if (map.period < 0) {
        for (std::int64_t i = 0; i < change.columns; ++i) {
          const double d = change.column(i)[k] * scale;
          by_length -= d * from.column(i)[map.column];
          if (to.data != nullptr) to.column(i)[map.column] += d;
        }
        ++k;
      } else {
        const double rate = 2 * std::numbers::pi * std::exp(-t[layout.period() + map.period]);
        for (std::int64_t i = 0; i < change.columns; ++i) {
          const double angle = rate * from.column(i)[map.column];
          const double cosine = scale * std::cos(angle);
          const double sine = scale * std::sin(angle);
          const double d_cosine = change.column(i)[k];
          const double d_sine = change.column(i)[k + 1];
          const double d_angle = d_sine * cosine - d_cosine * sine;
          by_length -= d_cosine * cosine + d_sine * sine;
          by_period -= d_angle * angle;
          if (to.data != nullptr) to.column(i)[map.column] += d_angle * rate;
        }
        k += 2;
      }
      if (gradient == nullptr) continue;
      gradient[map.group] += by_length;
      if (map.period >= 0) gradient[layout.period() + map.period] += by_period;
    }
  }
}

void CpuBackend::gram(const ResidentCovariance& resident, ConstView u, ConstView v, ConstView theta, View k) {
  const auto& covariance = static_cast<const CpuCovariance&>(resident);
  const ThetaLayout& layout = covariance.layout;
  check(u.rows == covariance.features && v.rows == u.rows && k.rows == u.columns && k.columns == v.columns &&
            fits(u, k.batch) && fits(v, k.batch) && theta.rows == layout.rows() &&
            (theta.columns == k.batch || theta.columns == 1),
        "gram: the shapes do not match");
  const std::int64_t n = k.rows;
  const std::int64_t ld = padded_rows(n);
  const std::int64_t size = ld * covariance.features;
  double* features = feature_space_.need(size_of(size * u.batch));
  transpose_features(u, ld, features);
  // Of points among themselves only the blocks on and below the diagonal are computed.
  const bool symmetric =
      u.data == v.data && u.columns == v.columns && u.leading == v.leading && u.stride == v.stride;
  const bool large = n * k.columns >= kLarge;
  const std::int64_t down = (n + kBlock - 1) / kBlock;
  const std::int64_t blocks = symmetric ? down * (down + 1) / 2 : down * ((k.columns + kBlock - 1) / kBlock);
  const auto task = [&](std::int64_t index, int worker) {
    const std::int64_t member = index / blocks;
    const std::int64_t b = index % blocks;
    const BlockIndex block = symmetric ? lower_block(down, b) : BlockIndex{b % down, b / down};
    const std::int64_t row = block.row * kBlock;
    const std::int64_t column = block.column * kBlock;
    const std::int64_t rows = std::min(kBlock, n - row);
    const std::int64_t columns = std::min(kBlock, k.columns - column);
    FactorTiles tiles(
        covariance, rows, ld, kBlock, kBlock,
        task_space_[size_of(worker)].need(size_of(FactorTiles::needed(covariance, kBlock, kBlock))));
    const ConstView z = member_of(v, member);
    tiles.fill(tiles_, features + (u.batch == 1 ? 0 : member * size) + row, z.column(column), z.leading,
               columns, false);
    const double* t = theta_of(theta, member);
    const View to = k.member(member);
    double* whole = tiles.spare();
    for (std::int64_t term = 0; term < layout.terms; ++term) {
      const double signal = std::exp(t[layout.signal() + term]);
      const double* product = tiles.term(term);
      for (std::int64_t i = 0; i < kBlock * columns; ++i) {
        whole[i] = signal * product[i] + (term == 0 ? 0.0 : whole[i]);
      }
    }
    for (std::int64_t j = 0; j < columns; ++j) {
      write(to.column(column + j) + row, whole + j * kBlock, rows, large);
    }
    if (symmetric && row > column) {
      double* mirrored = tiles.weight(0);
      for (std::int64_t j0 = 0; j0 < columns; j0 += kMirrored) {
        const std::int64_t end = std::min(columns, j0 + kMirrored);
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = j0; j < end; ++j) mirrored[i * kBlock + j] = whole[j * kBlock + i];
        }
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        write(to.column(row + i) + column, mirrored + i * kBlock, columns, large);
      }
    }
    if (large) settle();
  };
  run_tasks(blocks * k.batch, n * k.columns * k.batch, task);
}

void CpuBackend::gram_vjp(const ResidentCovariance& resident, ConstView u, ConstView v, ConstView theta,
                          ConstView dk, View du, View dv, View dtheta) {
  const auto& covariance = static_cast<const CpuCovariance&>(resident);
  const ThetaLayout& layout = covariance.layout;
  const auto shaped = [&](const View& d, const ConstView& as) {
    return d.data == nullptr || (d.rows == as.rows && d.columns == as.columns && d.batch == dk.batch);
  };
  check(u.rows == covariance.features && v.rows == u.rows && dk.rows == u.columns &&
            dk.columns == v.columns && fits(u, dk.batch) && fits(v, dk.batch) &&
            theta.rows == layout.rows() && (theta.columns == dk.batch || theta.columns == 1) &&
            shaped(du, u) && shaped(dv, v) &&
            (dtheta.data == nullptr || (dtheta.rows == layout.parameters() && dtheta.columns == dk.batch)),
        "gram_vjp: the shapes do not match");
  const SerialBlas serial;
  if (dv.data != nullptr || dtheta.data != nullptr) pull_side(covariance, u, v, theta, dk, false, dv, dtheta);
  if (du.data != nullptr) pull_side(covariance, v, u, theta, dk, true, du, {});
}

void CpuBackend::pull_side(const CpuCovariance& covariance, const ConstView& all, const ConstView& side,
                           const ConstView& theta, const ConstView& dk, bool transposed, const View& out,
                           const View& dtheta) {
  const ThetaLayout& layout = covariance.layout;
  const std::int64_t n = all.columns;
  const std::int64_t ld = padded_rows(n);
  const std::int64_t chunks = (side.columns + kChunk - 1) / kChunk;
  const std::int64_t size = ld * covariance.features;
  double* features = feature_space_.need(size_of(size * all.batch));
  transpose_features(all, ld, features);
  std::vector<double> by_signal(size_of(dtheta.data == nullptr ? 0 : chunks * dk.batch * layout.terms));
  const auto task = [&](std::int64_t index, int worker) {
    const std::int64_t member = index / chunks;
    const std::int64_t first = index % chunks * kChunk;
    const std::int64_t count = std::min(kChunk, side.columns - first);
    const double* x = features + (all.batch == 1 ? 0 : member * size);
    FactorTiles tiles(
        covariance, n, ld, ld, kChunk,
        task_space_[size_of(worker)].need(size_of(FactorTiles::needed(covariance, ld, kChunk))));
    const double* z = member_of(side, member).column(first);
    tiles.fill(tiles_, x, z, side.leading, count, true);
    double* change = tiles.spare();
    const ConstView from = dk.member(member);
    for (std::int64_t j = 0; j < count; ++j) {
      double* column = change + j * ld;
      if (transposed) {
        for (std::int64_t i = 0; i < n; ++i) column[i] = from.column(i)[first + j];
      } else {
        std::copy_n(from.column(first + j), n, column);
      }
      std::fill(column + n, column + ld, 0.0);
    }
    const double* t = theta_of(theta, member);
    if (dtheta.data != nullptr) {
      for (std::int64_t term = 0; term < layout.terms; ++term) {
        const double* product = tiles.term(term);
        double sum = 0;
        for (std::int64_t j = 0; j < count; ++j) {
          for (std::int64_t i = 0; i < n; ++i) sum += change[j * ld + i] * product[j * ld + i];
        }
        by_signal[size_of(index * layout.terms + term)] = sum * std::exp(t[layout.signal() + term]);
      }
    }
    if (out.data == nullptr) return;
    const View to = out.member(member);
    for (std::size_t f = 0; f < covariance.factors.size(); ++f) {
      const auto& factor = covariance.factors[f];
      tiles.share(f, std::exp(t[layout.signal() + factor.term]), change);
      const double* share = tiles.weight(f);
      // sum_i share_ij x_i, and -z_j sum_i share_ij where the factor sees differences.
      blas_gemm(true, false, factor.count, count, n, 1.0, x + factor.first * ld, ld, share, ld, 1.0,
                to.column(first) + factor.first, to.leading);
      if (factor.kind == CovarianceKind::linear) continue;
      for (std::int64_t j = 0; j < count; ++j) {
        double sum = 0;
        for (std::int64_t i = 0; i < n; ++i) sum += share[j * ld + i];
        for (std::int64_t d = factor.first; d < factor.first + factor.count; ++d) {
          to.column(first + j)[d] -= z[j * side.leading + d] * sum;
        }
      }
    }
  };
  run_tasks(chunks * dk.batch, n * side.columns * dk.batch, task);
  if (dtheta.data == nullptr) return;
  for (std::int64_t index = 0; index < chunks * dk.batch; ++index) {
    for (std::int64_t term = 0; term < layout.terms; ++term) {
      dtheta.column(index / chunks)[layout.signal() + term] +=
          by_signal[size_of(index * layout.terms + term)];
    }
  }
}

}  // namespace krigon::detail
