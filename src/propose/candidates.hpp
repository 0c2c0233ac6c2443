#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/encoding.hpp"
#include "core/random.hpp"
#include "propose/places.hpp"

namespace krigon {

/// `count` feasible points of a scrambled Sobol' sequence; fewer where ten times as many draws did not
/// hold so many.
std::vector<Point> sobol_candidates(const Encoding& encoding, std::size_t count, std::uint64_t seed);

/// `each` feasible variations of every incumbent: some of its active coordinates (about
/// min(d, 20) of many) are moved, reals by normal steps of four sizes from 0.2 to 0.002 in turn, ordered
/// levels likewise but by one level at least, categorical ones to any other value. What a change of branch
/// makes active is drawn uniformly.
std::vector<Point> perturbed_candidates(const Encoding& encoding, std::span<const Point> incumbents,
                                        std::size_t each, Random& random);

/// Every variation of a point in one coordinate that has levels: all other values of a categorical one
/// and of an ordered one with few levels, else 1, 2, 4, ... levels up and down. Feasible ones alone.
/// What a change of branch makes active is drawn uniformly.
std::vector<Point> neighbours(const Encoding& encoding, const Point& point, Random& random);

/// Indices of `count` candidates to start from: the best, then others without replacement with
/// probability proportional to exp(z), z the standardised value (Boltzmann choice, as in BoTorch's
/// initialisation heuristic; drawn by the Gumbel-max trick). Values that are not finite are never
/// taken.
std::vector<std::size_t> choose_starts(std::span<const double> value, std::size_t count, Random& random);

}  // namespace krigon
