#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "krigon/space.hpp"

namespace krigon::bench {

/// How a trial's parameters shape its curve: after t steps, of which the first `plateau` bring nothing,
///   loss(t) = asymptote + (t - plateau + 1)^-rate            (asymptote + 1 on the plateau)
/// and it reports loss(t) (1 + noise * N(0, 1)). From `diverges` on the loss is 2 + 0.1 (t - diverges).
struct Shape {
  double asymptote = 0, rate = 1, noise = 0;
  std::int64_t plateau = 0;
  std::int64_t diverges = std::numeric_limits<std::int64_t>::max();
  double step_time = 1;                  ///< on the virtual clock
  std::span<const float> recorded = {};  ///< where not empty it is loss(t), and the rest means nothing
};

/// Nine parameters u in [0, 1] (logarithms of x0 ... x8, from 0.001 to 1) make the shape. With
///   q_k(u) = sum over d >= k of w_d (u_d - c_d)^2,  w = 1 .6 .4 .25 .15 .1 .05 .03 .02,
///   c = .55 .3 .7 .5 .4 .6 .5 .5 .5:
///
///   smooth     asymptote 0.1 + q_0, rate 0.4 + 0.6 u_1, noise 1 %: power laws as of Domhan et al. 2015
///   crossing   u_0 is the learning rate: asymptote 0.1 + 0.35 u_0 + 0.5 q_1, rate 0.35 + 0.9 u_0, noise 1 %.
///              The best at step 81 (u_0 near 0.2) is behind u_0 = 0.5 up to step 27, and behind u_0 = 0.8 up
///              to 9.
///   hard       asymptote 0.1 + q_0, rate 0.3 + 0.5 u_1; a plateau of up to 15 steps, 15 u_2^2; noise 1 to 5
///   %,
///              0.01 + 0.04 u_3; a step takes 3^(u_4 - 1/2) e^(0.3 N(0, 1)); diverges with the probability
///              1 / (1 + e^(20 (0.8 - u_0))), at a step from 2 to 81
///
/// The others replay what was recorded of real trainings (record.py), noise and all: a random point is one of
/// the recorded configurations, drawn with replacement; a sampler chooses among them
/// (GpSamplerOptions::among).
enum class Problem { smooth, crossing, hard, network_error, network_loss, boosting, logistic };

inline constexpr std::int64_t kMaxSteps = 81;

std::string name_of(Problem problem);
bool is_recorded(Problem problem);
const Space& space(Problem problem);
/// Of a recorded problem: the points that were trained, all different.
const std::vector<Parameters>& configurations(Problem problem);
/// `random` makes what is luck. Of recorded problems the parameters are those of a configuration: of others
/// throws std::invalid_argument.
Shape shape_of(Problem problem, const Parameters& parameters, Random& random);
/// Of a recorded problem, one of those.
const Parameters& random_configuration(Problem problem, Random& random);
/// Of a problem that is not recorded, that of a random point.
Shape random_shape(Problem problem, Random& random);
/// Of a recorded problem, each configuration's.
std::vector<Shape> recorded_shapes(Problem problem);
/// Of a problem that is not recorded.
Parameters random_point(std::uint64_t seed, std::int64_t number);

/// A trial in training; what a checkpoint holds is all of it but the shape.
class Learner {
 public:
  explicit Learner(const Shape& shape) : shape_(shape) {}
  /// Goes on from another's checkpoint with parameters of its own.
  Learner(const Learner& parent, const Shape& shape);
  void step();
  std::int64_t steps() const { return t_; }
  double step_time() const { return shape_.step_time; }
  double loss() const;  ///< without noise
  /// What it reports.
  double report(Random& random) const { return loss() * (1 + shape_.noise * random.normal()); }

 private:
  Shape shape_;
  std::int64_t t_ = 0;
  double excess_ = 1;
  std::int64_t diverged_ = 0;  ///< when it did
};

/// The loss without noise at the end.
double final_loss(const Shape& shape);
/// The final loss that this share of random points reaches.
double quantile(Problem problem, double share);

}  // namespace krigon::bench
