#include "propose/sobol_sampler.hpp"

#include <fmt/format.h>

namespace krigon {

SobolSampler::SobolSampler(const Space& space, std::uint64_t seed)
    : encoding_(space),
      seed_(seed),
      sobol_(encoding_.dims(), Random(seed, 0, Purpose::sobol_scramble)()),
      listed_(list_points(encoding_, kMostListed)) {}

Suggestion SobolSampler::propose(const History& history, std::int64_t number) {
  Random random(seed_, static_cast<std::uint64_t>(number), Purpose::sobol_scramble);
  const Taken taken(encoding_, history);
  const auto [point, repeated] = first_free(
      encoding_, taken, [&](std::uint32_t i, std::span<double> u) { sobol_.point(i, u); },
      listed_ ? &*listed_ : nullptr, random);
  Suggestion suggestion;
  suggestion.parameters = encoding_.decode(point);
  suggestion.proposal.sampler = name();
  if (repeated) suggestion.proposal.note = kRepeatedNote;
  return suggestion;
}

std::string SobolSampler::describe(const Space&) const {
  return fmt::format("sobol: the points of a scrambled Sobol' sequence over {} coordinates.",
                     encoding_.dims());
}

std::unique_ptr<Sampler> make_sobol_sampler(const Space& space, std::uint64_t seed) {
  return std::make_unique<SobolSampler>(space, seed);
}

}  // namespace krigon
