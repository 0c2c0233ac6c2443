#include "optim/quasi_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace krigon::detail {

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// LU with row exchanges, in place, n x n row-major. False where a pivot vanishes.
bool factorise(std::vector<double>& a, std::size_t n, std::vector<std::size_t>& pivots) {
  pivots.resize(n);
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t best = k;
    for (std::size_t i = k + 1; i < n; ++i) {
      if (std::abs(a[i * n + k]) > std::abs(a[best * n + k])) best = i;
    }
    pivots[k] = best;
    const double pivot = a[best * n + k];
    if (!(std::abs(pivot) > std::numeric_limits<double>::min()) || !std::isfinite(pivot)) return false;
    if (best != k) std::swap_ranges(&a[k * n], &a[k * n] + n, &a[best * n]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] /= pivot;
      for (std::size_t j = k + 1; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return true;
}

void solve(const std::vector<double>& lu, const std::vector<std::size_t>& pivots, std::span<double> b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) std::swap(b[k], b[pivots[k]]);
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = k + 1; i < n; ++i) b[i] -= lu[i * n + k] * b[k];
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= lu[k * n + j] * b[j];
    b[k] /= lu[k * n + k];
  }
}

}  // namespace

QuasiNewton::QuasiNewton(std::size_t dimension, std::size_t memory)
    : n_(dimension),
      memory_(memory),
      s_(memory * dimension),
      y_(memory * dimension),
      sy_(memory * memory),
      ss_(memory * memory),
      breakpoint_(dimension),
      direction_(dimension),
      cauchy_(dimension),
      residual_(dimension) {}

void QuasiNewton::reset() {
  pairs_ = 0;
  theta_ = 1;
}

void QuasiNewton::update(std::span<const double> s, std::span<const double> y) {
  const double curvature = dot(s, y);
  const double yy = dot(y, y);
  if (!(curvature > std::numeric_limits<double>::epsilon() * yy) || !std::isfinite(yy)) return;
  if (pairs_ == memory_) {
    std::copy(s_.begin() + static_cast<std::ptrdiff_t>(n_), s_.end(), s_.begin());
    std::copy(y_.begin() + static_cast<std::ptrdiff_t>(n_), y_.end(), y_.begin());
    for (std::size_t i = 0; i + 1 < memory_; ++i) {
      for (std::size_t j = 0; j + 1 < memory_; ++j) {
        sy_[i * memory_ + j] = sy_[(i + 1) * memory_ + j + 1];
        ss_[i * memory_ + j] = ss_[(i + 1) * memory_ + j + 1];
      }
    }
    --pairs_;
  }
  const std::size_t last = pairs_++;
  std::copy(s.begin(), s.end(), s_.begin() + static_cast<std::ptrdiff_t>(last * n_));
  std::copy(y.begin(), y.end(), y_.begin() + static_cast<std::ptrdiff_t>(last * n_));
  for (std::size_t i = 0; i <= last; ++i) {
    const std::span<const double> si(&s_[i * n_], n_);
    const std::span<const double> yi(&y_[i * n_], n_);
    sy_[last * memory_ + i] = dot(s, yi);
    sy_[i * memory_ + last] = dot(si, y);
    ss_[last * memory_ + i] = ss_[i * memory_ + last] = dot(si, s);
  }
  theta_ = yy / curvature;
}

void QuasiNewton::row_of_w(std::size_t variable, std::span<double> row) const {
  for (std::size_t i = 0; i < pairs_; ++i) {
    row[i] = y_[i * n_ + variable];
    row[pairs_ + i] = theta_ * s_[i * n_ + variable];
  }
}

void QuasiNewton::middle_inverse(std::vector<double>& matrix) const {
  const std::size_t k = pairs_;
  const std::size_t order = 2 * k;
  matrix.assign(order * order, 0.0);
  for (std::size_t i = 0; i < k; ++i) {
    matrix[i * order + i] = -sy_[i * memory_ + i];
    for (std::size_t j = 0; j < k; ++j) {
      if (i > j) matrix[(k + i) * order + j] = matrix[j * order + k + i] = sy_[i * memory_ + j];
      matrix[(k + i) * order + k + j] = theta_ * ss_[i * memory_ + j];
    }
  }
}

bool QuasiNewton::propose(std::span<const double> x, std::span<const double> g, std::span<const double> lower,
                          std::span<const double> upper, std::span<double> proposal) {
  row_.resize(2 * pairs_);
  if (pairs_ > 0) {
    middle_inverse(middle_);
    if (!factorise(middle_, 2 * pairs_, pivots_)) return false;
  }
  return cauchy_point(x, g, lower, upper) && subspace_minimum(x, g, lower, upper, proposal);
}

bool QuasiNewton::cauchy_point(std::span<const double> x, std::span<const double> g,
                               std::span<const double> lower, std::span<const double> upper) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::size_t order = 2 * pairs_;
  p_.assign(order, 0.0);
  c_.assign(order, 0.0);
  order_.clear();
  double slope = 0;  // f' of eq. 4.4
  for (std::size_t i = 0; i < n_; ++i) {
    double t = kInfinity;
    if (g[i] < 0) t = (x[i] - upper[i]) / g[i];
    if (g[i] > 0) t = (x[i] - lower[i]) / g[i];
    breakpoint_[i] = t;
    cauchy_[i] = x[i];
    direction_[i] = t > 0 ? -g[i] : 0.0;
    if (direction_[i] == 0) continue;
    slope -= g[i] * g[i];
    order_.push_back(i);
    row_of_w(i, row_);
    for (std::size_t k = 0; k < order; ++k) p_[k] += row_[k] * direction_[i];
  }
  if (slope == 0) return true;
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return breakpoint_[a] != breakpoint_[b] ? breakpoint_[a] < breakpoint_[b] : a < b;
  });

  const auto times_middle = [&](const std::vector<double>& vector) {
    mp_ = vector;
    if (order > 0) solve(middle_, pivots_, mp_);
  };
  times_middle(p_);
  double curvature = -theta_ * slope - dot(p_, mp_);  // f'' of eq. 4.5
  const double smallest = std::numeric_limits<double>::epsilon() * std::abs(curvature);
  double reached = 0;
  std::size_t next = 0;
  double step = curvature > 0 ? -slope / curvature : kInfinity;
  while (next < order_.size()) {
    const std::size_t b = order_[next];
    const double width = breakpoint_[b] - reached;
    if (step < width) break;
    if (!std::isfinite(width)) return false;  // the model falls without end
    // Past the breakpoint: variable b stays at its bound (eqs. 4.9 and 4.10).
    const double gb = g[b];
    cauchy_[b] = direction_[b] > 0 ? upper[b] : lower[b];
    const double zb = cauchy_[b] - x[b];
    for (std::size_t k = 0; k < order; ++k) c_[k] += width * p_[k];
    row_of_w(b, row_);
    times_middle(c_);
    const double wc = dot(row_, mp_);
    times_middle(p_);
    const double wp = dot(row_, mp_);
    v_.assign(row_.begin(), row_.end());
    times_middle(v_);
    const double ww = dot(row_, mp_);
    slope += width * curvature + gb * gb + theta_ * gb * zb - gb * wc;
    curvature -= theta_ * gb * gb + 2 * gb * wp + gb * gb * ww;
    curvature = std::max(curvature, smallest);
    for (std::size_t k = 0; k < order; ++k) p_[k] += gb * row_[k];
    direction_[b] = 0;
    reached = breakpoint_[b];
    ++next;
    step = slope < 0 ? -slope / curvature : 0.0;
  }
  if (next == order_.size()) step = 0;
  for (std::size_t i = next; i < order_.size(); ++i) {
    const std::size_t b = order_[i];
    cauchy_[b] = std::clamp(x[b] + (reached + step) * direction_[b], lower[b], upper[b]);
  }
  for (std::size_t k = 0; k < order; ++k) c_[k] += step * p_[k];
  return true;
}

bool QuasiNewton::subspace_minimum(std::span<const double> x, std::span<const double> g,
                                   std::span<const double> lower, std::span<const double> upper,
                                   std::span<double> proposal) {
  std::copy(cauchy_.begin(), cauchy_.end(), proposal.begin());
  free_.clear();
  for (std::size_t i = 0; i < n_; ++i) {
    if (cauchy_[i] > lower[i] && cauchy_[i] < upper[i]) free_.push_back(i);
  }
  if (free_.empty() || pairs_ == 0) return true;
  const std::size_t order = 2 * pairs_;

  // r = Z'(g + theta (x_c - x) - W M c), eq. 5.4.
  mp_ = c_;
  solve(middle_, pivots_, mp_);
  v_.assign(order, 0.0);
  middle_inverse(reduced_);
  for (const std::size_t i : free_) {
    row_of_w(i, row_);
    residual_[i] = g[i] + theta_ * (cauchy_[i] - x[i]) - dot(row_, mp_);
    for (std::size_t k = 0; k < order; ++k) {
      v_[k] += row_[k] * residual_[i];
      for (std::size_t j = 0; j < order; ++j) reduced_[k * order + j] -= row_[k] * row_[j] / theta_;
    }
  }
  // d = -r/theta - Z'W (M^-1 - W'ZZ'W/theta)^-1 W'Z r / theta^2, eq. 5.11 with both sides times M^-1.
  if (!factorise(reduced_, order, reduced_pivots_)) return false;
  solve(reduced_, reduced_pivots_, v_);
  double longest = 1;
  for (const std::size_t i : free_) {
    row_of_w(i, row_);
    const double d = -residual_[i] / theta_ - dot(row_, v_) / (theta_ * theta_);
    if (!std::isfinite(d)) return false;
    direction_[i] = d;
    proposal[i] = std::clamp(cauchy_[i] + d, lower[i], upper[i]);
    if (d > 0) longest = std::min(longest, (upper[i] - cauchy_[i]) / d);
    if (d < 0) longest = std::min(longest, (lower[i] - cauchy_[i]) / d);
  }
  // Clipping each variable by itself (Morales and Nocedal 2011) goes further, but bends a step along a
  // curved valley out of it; shortening the step as a whole (section 5.1) does not, but may hardly
  // move. The model says which is better here.
  if (longest < 1) {
    truncated_.assign(cauchy_.begin(), cauchy_.end());
    for (const std::size_t i : free_) {
      truncated_[i] = std::clamp(cauchy_[i] + longest * direction_[i], lower[i], upper[i]);
    }
    if (!(model_value(x, g, proposal) < model_value(x, g, truncated_))) {
      std::copy(truncated_.begin(), truncated_.end(), proposal.begin());
    }
  }
  return true;
}

double QuasiNewton::model_value(std::span<const double> x, std::span<const double> g,
                                std::span<const double> at) {
  const std::size_t order = 2 * pairs_;
  v_.assign(order, 0.0);
  double value = 0;
  for (std::size_t i = 0; i < n_; ++i) {
    const double d = at[i] - x[i];
    value += d * (g[i] + 0.5 * theta_ * d);
    row_of_w(i, row_);
    for (std::size_t k = 0; k < order; ++k) v_[k] += row_[k] * d;
  }
  mp_ = v_;
  solve(middle_, pivots_, mp_);
  return value - 0.5 * dot(v_, mp_);
}

}  // namespace krigon::detail
