#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace krigon::detail {

/// The limited-memory Hessian of L-BFGS-B and the step it proposes within a box.
///
///   B = theta I - W M W',  W = [Y, theta S],  M^-1 = [-D, L'; L, theta S'S]
///   S, Y   the last differences of x and of the gradient, a pair per column
///   D, L   diagonal and strictly lower part of S'Y
///
/// Notation and equation numbers are those of Byrd, Lu, Nocedal, Zhu 1995.
class QuasiNewton {
 public:
  QuasiNewton(std::size_t dimension, std::size_t memory);

  void reset();
  bool empty() const { return pairs_ == 0; }
  /// Takes the pair in, if its curvature is safely positive.
  void update(std::span<const double> s, std::span<const double> y);

  /// What was taken in, oldest first: a row a pair.
  std::span<const double> steps() const { return {s_.data(), pairs_ * n_}; }
  std::span<const double> changes() const { return {y_.data(), pairs_ * n_}; }

  /// The point that the model proposes from x: the generalised Cauchy point, then the free variables'
  /// minimum. False where the model is singular (then reset and ask again).
  bool propose(std::span<const double> x, std::span<const double> g, std::span<const double> lower,
               std::span<const double> upper, std::span<double> proposal);

 private:
  bool cauchy_point(std::span<const double> x, std::span<const double> g, std::span<const double> lower,
                    std::span<const double> upper);
  bool subspace_minimum(std::span<const double> x, std::span<const double> g, std::span<const double> lower,
                        std::span<const double> upper, std::span<double> proposal);
  /// g'd + d'Bd/2 with d = at - x.
  double model_value(std::span<const double> x, std::span<const double> g, std::span<const double> at);
  /// Row `variable` of W.
  void row_of_w(std::size_t variable, std::span<double> row) const;
  void middle_inverse(std::vector<double>& matrix) const;

  std::size_t n_;
  std::size_t memory_;
  std::size_t pairs_ = 0;
  double theta_ = 1;
  std::vector<double> s_, y_;    // memory x n, oldest first
  std::vector<double> sy_, ss_;  // memory x memory: s_i' y_j, s_i' s_j
  // Work space.
  std::vector<double> middle_, reduced_, row_, p_, c_, mp_, v_, breakpoint_, direction_, cauchy_, residual_,
      truncated_;
  std::vector<std::size_t> order_, pivots_, reduced_pivots_, free_;
};

}  // namespace krigon::detail
