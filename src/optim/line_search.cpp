#include "optim/line_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace krigon::detail {

namespace {
constexpr double kDecrease = 1e-4;
constexpr double kCurvature = 0.9;
constexpr double kRounding = 1e-14;  ///< of the value, relative
constexpr int kMaxEvaluations = 25;
}  // namespace

LineSearch::LineSearch(double value, double slope, double first, double longest)
    : value0_(value),
      slope0_(slope),
      longest_(longest),
      step_(std::min(first, longest)),
      low_{0, value, slope} {}

LineSearch::Verdict LineSearch::observe(double value, double slope) {
  ++evaluations_;
  improved_ = false;
  const Point point{step_, value, slope};
  if (!std::isfinite(value) || !std::isfinite(slope)) {
    high_ = {step_, std::numeric_limits<double>::infinity(), 0};
    bracketed_ = true;
    return narrow();
  }
  const bool flat_enough = std::abs(slope) <= -kCurvature * slope0_;
  const bool within_rounding = std::abs(value - value0_) <= kRounding * std::abs(value0_);
  if (within_rounding && flat_enough && slope <= (2 * kDecrease - 1) * slope0_) {
    improved_ = true;
    return Verdict::accept;
  }
  if (value > value0_ + kDecrease * step_ * slope0_ || value >= low_.value) {
    high_ = point;
    bracketed_ = true;
    return narrow();
  }
  improved_ = true;
  if (flat_enough) return Verdict::accept;
  if (!bracketed_) {
    if (slope >= 0) {
      high_ = low_;
      bracketed_ = true;
    } else if (step_ >= longest_) {
      return Verdict::accept;
    }
  } else if (slope * (high_.step - low_.step) >= 0) {
    high_ = low_;
  }
  const double previous = low_.step;
  low_ = point;
  if (bracketed_) return narrow();
  if (evaluations_ >= kMaxEvaluations) return Verdict::accept;
  step_ = std::min(longest_, step_ + 3 * (step_ - previous));
  return Verdict::evaluate;
}

LineSearch::Verdict LineSearch::narrow() {
  const double width = high_.step - low_.step;
  if (evaluations_ >= kMaxEvaluations ||
      std::abs(width) <= std::numeric_limits<double>::epsilon() * std::max(std::abs(low_.step), 1e-300)) {
    return low_.step > 0 ? Verdict::accept_best : Verdict::failed;
  }
  double fraction = 0.1;  // from low to high; after a value that is not finite, stay near
  if (std::isfinite(high_.value)) {
    // Minimum of the cubic through both values and slopes (Nocedal and Wright, eq. 3.59).
    const double d1 = low_.slope + high_.slope - 3 * (low_.value - high_.value) / (low_.step - high_.step);
    const double square = d1 * d1 - low_.slope * high_.slope;
    fraction = 0.5;
    if (square >= 0) {
      const double d2 = std::copysign(std::sqrt(square), width);
      const double denominator = high_.slope - low_.slope + 2 * d2;
      if (denominator != 0) fraction = 1 - (high_.slope + d2 - d1) / denominator;
    }
    if (!std::isfinite(fraction)) fraction = 0.5;
    fraction = std::clamp(fraction, 0.05, 0.95);
  }
  step_ = low_.step + fraction * width;
  return Verdict::evaluate;
}

}  // namespace krigon::detail
