#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/predictor.hpp"
#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "scheduler/milestones.hpp"

namespace krigon {

/// Extrapolates a trial's curve and stops it when the probability that its value at max_steps beats the best
/// completed trial's is below `probability` (Domhan, Springenberg, Hutter 2015, "Speeding Up Automatic
/// Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning Curves", section 3.4,
/// with a Gaussian process over curves and parameters in the place of parametric families).
///
/// Curves are kept as the means over stretches of steps, two for each doubling: a trial is judged with its
/// first report in each. The model learns from the 16 best and the 16 latest whole curves and from the 24
/// latest that were stopped, and anew when the number of trials that ended has grown by half. Nothing is
/// stopped before `startup` have completed, and one trial in 20 not before a third of max_steps: a model that
/// is wrong must come to see that it is.
class CurveScheduler final : public Scheduler {
 public:
  /// Without a predictor every trial goes on.
  CurveScheduler(const EarlyStopping& options, std::shared_ptr<Predictor> predictor);
  std::string_view name() const override { return "curve"; }
  void observe_parameters(std::int64_t trial, const Parameters& parameters) override;
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  using Marks = detail::Milestones<2>;
  struct Stretch {
    std::int64_t begin = 0;
    std::int64_t last = 0;  ///< step of the last report in it
    double reports = 0;
    double step = 0, loss = 0;  ///< means
  };
  struct Progress {
    Parameters parameters;
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::vector<Stretch> curve;  ///< rising
    bool entered = false;        ///< the last report began a stretch
  };
  struct Whole {
    std::int64_t trial = 0;
    double loss = 0;
    LearningCurve curve;
  };
  static LearningCurve curve_of(const Progress& progress);
  void one_more_ended();

  EarlyStopping options_;
  std::shared_ptr<Predictor> predictor_;
  std::unordered_map<std::int64_t, Progress> progress_;
  std::int64_t completed_ = 0;
  std::int64_t ended_ = 0;   ///< completed or stopped
  std::int64_t learnt_ = 0;  ///< as many when the model was last told to learn
  double best_ = std::numeric_limits<double>::infinity();
  std::vector<Whole> bests_, latest_;   ///< best first; oldest first
  std::vector<LearningCurve> stopped_;  ///< oldest first
  std::vector<LearningCurve> lessons_;  ///< what the model learns from
  std::unique_ptr<CurveModel> model_;   ///< made of these when it is first asked
};

}  // namespace krigon
