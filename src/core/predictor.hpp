#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "krigon/space.hpp"

namespace krigon {

/// A point of a learning curve: smaller losses are better.
struct CurvePoint {
  double step = 1;  ///< >= 1
  double loss = 0;  ///< finite
};

/// What a trial reported, and what it was trained with.
struct LearningCurve {
  Parameters parameters;
  std::vector<CurvePoint> points;  ///< rising in step, not empty
};

/// What was learnt from curves. Not thread-safe. A function of its arguments and of those of learn().
class CurveModel {
 public:
  virtual ~CurveModel() = default;
  /// The probability that a curve which began so reports a loss below `loss` at `step`, noise included.
  /// nullopt where the numbers do not allow to say.
  virtual std::optional<double> probability_below(double loss, const LearningCurve& sofar, double step) = 0;
};

/// Extrapolates learning curves, for rules that need a model: they are handed one, and link none.
class Predictor {
 public:
  virtual ~Predictor() = default;
  /// `curves`: at least one. `last_step`: the step of interest, > 1.
  virtual std::unique_ptr<CurveModel> learn(std::span<const LearningCurve> curves, double last_step) = 0;
};

}  // namespace krigon
