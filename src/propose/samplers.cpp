#include "propose/samplers.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "krigon/error.hpp"
#include "propose/auto.hpp"
#include "propose/gp_sampler.hpp"
#include "propose/grid.hpp"
#include "propose/random.hpp"
#include "propose/sobol_sampler.hpp"

namespace krigon {
namespace {

struct Request {
  const SamplerSpec& spec;
  const Space& space;
  std::uint64_t seed;
  std::shared_ptr<Backend> backend;
};

GpSamplerOptions options_of(const SamplerSpec& spec) {
  GpSamplerOptions options;
  options.initial = spec.initial;
  if (spec.observations) options.most = static_cast<std::size_t>(*spec.observations);
  return options;
}

struct Entry {
  std::string_view name;
  std::unique_ptr<Sampler> (*make)(const Request&);
};

// One line a sampler.
constexpr std::array kSamplers{
    Entry{"auto",
          [](const Request& r) { return make_auto_sampler(r.space, r.seed, r.backend, options_of(r.spec)); }},
    Entry{"gp",
          [](const Request& r) { return make_gp_sampler(r.space, r.seed, r.backend, options_of(r.spec)); }},
    Entry{"random", [](const Request& r) { return make_random_sampler(r.space, r.seed); }},
    Entry{"sobol", [](const Request& r) { return make_sobol_sampler(r.space, r.seed); }},
    Entry{"grid", [](const Request& r) { return make_grid_sampler(r.space, r.seed); }},
};

}  // namespace

std::unique_ptr<Sampler> make_sampler(const SamplerSpec& spec, const Space& space, std::uint64_t seed,
                                      std::shared_ptr<Backend> backend) {
  const auto entry =
      std::find_if(kSamplers.begin(), kSamplers.end(), [&](const Entry& e) { return e.name == spec.type; });
  if (entry == kSamplers.end()) {
    throw UsageError(
        fmt::format("unknown sampler \"{}\"; known are {}", spec.type, fmt::join(sampler_names(), ", ")));
  }
  if (spec.initial && *spec.initial < 0) {
    throw UsageError(fmt::format("sampler: initial must not be negative, found {}", *spec.initial));
  }
  return entry->make({spec, space, seed, std::move(backend)});
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const auto& entry : kSamplers) names.emplace_back(entry.name);
  return names;
}

}  // namespace krigon
