#pragma once

#include <memory>

#include "core/sampler.hpp"

namespace krigon {

/// Places that a real parameter without a step gets in a grid, its ends among them.
inline constexpr std::int64_t kGridLevels = 5;

/// The full factorial: every combination of values, each once, in an order shuffled by the seed, so
/// that a grid cut short is still a fair sample. Infeasible points are left out; a point that a trial
/// holds already is not proposed again. When all are held, the suggestion is `exhausted`.
/// Throws UsageError for a grid of more than kMostListed points.
std::unique_ptr<Sampler> make_grid_sampler(const Space& space, std::uint64_t seed);

}  // namespace krigon
