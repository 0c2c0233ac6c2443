#pragma once

namespace krigon::detail {

/// A search along a descent direction for the strong Wolfe conditions, as a state machine: the caller
/// evaluates at step() and hands value and slope to observe(), until it is done. (Nocedal and Wright
/// 2006, algorithms 3.5 and 3.6, with safeguarded cubic interpolation.)
///
/// Near the minimum, where the value changes less than its own rounding, the slope alone decides
/// (Hager and Zhang 2005, the approximate Wolfe conditions).
class LineSearch {
 public:
  /// slope < 0; the step may not exceed `longest`.
  LineSearch(double value, double slope, double first, double longest);

  double step() const { return step_; }

  enum class Verdict {
    evaluate,     ///< at the new step()
    accept,       ///< the step just observed
    accept_best,  ///< the best step observed before: best_step()
    failed,       ///< none is lower than the start
  };
  Verdict observe(double value, double slope);
  double best_step() const { return low_.step; }
  /// Whether the step just observed is the best so far.
  bool improved() const { return improved_; }

 private:
  struct Point {
    double step;
    double value;
    double slope;
  };
  Verdict narrow();

  double value0_;
  double slope0_;
  double longest_;
  double step_;
  Point low_;
  Point high_{};
  bool bracketed_ = false;
  bool improved_ = false;
  int evaluations_ = 0;
};

}  // namespace krigon::detail
