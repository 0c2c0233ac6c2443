#pragma once

#include <memory>

#include "core/predictor.hpp"
#include "krigon/space.hpp"

namespace krigon {

class Backend;

/// Learning curves by an exact Gaussian process over (time, parameters, curve), with time
/// t = ln step / ln last_step and parameters x as a model's row (core/encoding.hpp):
///
///   k((t, x, i), (t', x', j)) = s1 m1(t, t') + s2 c(i, j) m2(t, t') + s3 mx(x, x') m3(t, t') + noise
///
/// m1, m2, m3, mx: Matern-5/2, mx with a lengthscale for each parameter; c: 1 for the same curve, and a
/// fitted constant for any two different ones (an exchangeable kernel). The first term is the shape that
/// curves have in common, the second what a curve has for itself, with the rate at which that is forgotten
/// learnt from the curves at hand. The third is what parameters make of a curve: a small learning rate starts
/// slowly and ends well, which the beginning alone does not tell (as do Klein et al. 2017, "Learning curve
/// prediction with Bayesian neural networks", and Wistuba, Kadra, Grabocka 2022, "Supervising the
/// multi-fidelity race of hyperparameter configurations"). The first two are the coregionalisation of
/// Bonilla, Chai, Williams 2008, in the place of the freeze-thaw kernel (Swersky, Snoek, Adams 2014), whose
/// exponential decay they do not presume.
///
/// Losses y are modelled as asinh((y - b) / w) with b the best at the last step and w how far behind it the
/// median of the others is: like a logarithm of what a curve still has to gain, so that the wild stretches of
/// bad curves do not hide how smooth good ones are, and linear around the best.
///
/// Curves of parameters that are no point of `space` (an older revision's) are left out of what is learnt,
/// and nothing is said of them.
std::unique_ptr<Predictor> make_curve_predictor(std::shared_ptr<Backend> backend, const Space& space);

}  // namespace krigon
