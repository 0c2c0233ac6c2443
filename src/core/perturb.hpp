#pragma once

#include <cstdint>

#include "krigon/space.hpp"

namespace krigon {

/// The parameters of a clone: those of its parent, explored (Jaderberg et al. 2017, appendix A: "perturb").
/// Each parameter is, with the chance `resample`, drawn anew, uniformly on its scale; otherwise
///   a number             is multiplied by 0.8 or 1.2, and stays within its bounds and on its grid; where
///   that
///                        would not move it (2 -> 2.4 -> 2) it goes to the neighbour on that side, and a real
///                        number that is 0 moves by a tenth of its range
///   an ordered category  moves to a neighbour
///   another category     stays: a checkpoint is seldom of use with another kind of model
/// What only becomes active by that is drawn anew. The point satisfies Space::validate: one that breaks a
/// constraint is made anew up to 100 times, then it is the parent's.
///
/// A function of its arguments: `number` is the clone's. Precondition: `parent` is a point of the space
/// (throws SpaceError otherwise).
Parameters perturb(const Space& space, const Parameters& parent, std::uint64_t seed, std::int64_t number,
                   double resample);

}  // namespace krigon
