#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace krigon {

/// A point of a learning curve: smaller losses are better.
struct CurvePoint {
  double step = 1;  ///< >= 1
  double loss = 0;  ///< finite
};

/// What was learnt from whole curves. Not thread-safe. A function of its arguments and of those of learn().
class CurveModel {
 public:
  virtual ~CurveModel() = default;
  /// The probability that a curve which began so reports a loss below `loss` at `step`, noise included.
  /// nullopt where the numbers do not allow to say.
  virtual std::optional<double> probability_below(double loss, std::span<const CurvePoint> sofar,
                                                  double step) = 0;
};

/// Extrapolates learning curves, for rules that need a model: they are handed one, and link none.
class Predictor {
 public:
  virtual ~Predictor() = default;
  /// `curves`: at least one, none empty, each rising in step. `last_step`: the step of interest, > 1.
  virtual std::unique_ptr<CurveModel> learn(std::span<const std::vector<CurvePoint>> curves,
                                            double last_step) = 0;
};

}  // namespace krigon
