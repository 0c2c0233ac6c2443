#pragma once

#include <memory>

#include "core/sampler.hpp"

namespace krigon {

/// Independent uniform points of the unit cube: random search. Points that a trial holds already are
/// drawn again while the space has others.
std::unique_ptr<Sampler> make_random_sampler(const Space& space, std::uint64_t seed);

}  // namespace krigon
