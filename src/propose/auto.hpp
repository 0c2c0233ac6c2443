#pragma once

#include "propose/gp_sampler.hpp"

namespace krigon {

/// Spaces of at most so many points are tried one by one.
inline constexpr std::size_t kTinySpace = 16;

/// The choice for people who made none: a space of at most kTinySpace points is enumerated as by
/// `grid`, each point once, since a model has nothing to gain there; any other goes to `gp`.
std::unique_ptr<Sampler> make_auto_sampler(const Space& space, std::uint64_t seed,
                                           std::shared_ptr<Backend> backend,
                                           const GpSamplerOptions& options = {});

}  // namespace krigon
