#pragma once

#include <memory>

#include "core/predictor.hpp"

namespace krigon {

class Backend;

/// Learning curves by an exact Gaussian process over (time, curve), with time t = ln step / ln last_step:
///
///   k((t, i), (t', j)) = s1 m1(t, t') + s2 c(i, j) m2(t, t') + noise
///
/// m1, m2: Matern-5/2; c: 1 for the same curve, and a fitted constant for any two different ones (an
/// exchangeable kernel). The first term is the shape that curves have in common, the second what a curve has
/// for itself, with the rate at which that is forgotten learnt from the curves at hand: where they cross,
/// what a curve shows early says little about its end, and the forecast is wide. It is the coregionalisation
/// of Bonilla, Chai, Williams 2008, in the place of the freeze-thaw kernel (Swersky, Snoek, Adams 2014),
/// whose exponential decay it does not presume.
std::unique_ptr<Predictor> make_curve_predictor(std::shared_ptr<Backend> backend);

}  // namespace krigon
