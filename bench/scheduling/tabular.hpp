#pragma once

#include <memory>

#include "core/sampler.hpp"
#include "problems.hpp"

namespace krigon::bench {

/// A sampler's proposals where only the recorded configurations of a problem can be tried: each gives way to
/// the nearest one that no trial of the study has taken yet, and the trial's parameters are that one's, so
/// that the model is told of what was run. Near: by the squared distance in the encoded unit cube, in which
/// different values of a categorical parameter are 1 apart. Exhausted when all have been taken.
std::unique_ptr<Sampler> make_tabular_sampler(std::unique_ptr<Sampler> sampler, Problem problem);

}  // namespace krigon::bench
