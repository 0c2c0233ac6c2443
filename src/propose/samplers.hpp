#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/sampler.hpp"
#include "core/spec.hpp"

namespace krigon {

class Backend;

/// The sampler that `spec` names, for a study of this space and seed. A model-based one computes on
/// `backend`, which may be null for the others.
/// Throws UsageError for an unknown name (the message lists the known ones), for a negative
/// `initial`, and where a backend is needed and there is none; what the sampler itself refuses (a
/// grid that is too large) is thrown as it says.
std::unique_ptr<Sampler> make_sampler(const SamplerSpec& spec, const Space& space, std::uint64_t seed,
                                      std::shared_ptr<Backend> backend);

/// Every name that SamplerSpec::type may hold, in the order of the documentation.
std::vector<std::string> sampler_names();

}  // namespace krigon
