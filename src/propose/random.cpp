#include "propose/random.hpp"

#include <algorithm>

#include "propose/places.hpp"

namespace krigon {
namespace {

/// Whether two draws are never the same point: some real parameter without a step is always there.
bool endless(const Encoding& encoding) {
  const auto& coordinates = encoding.coordinates();
  return std::any_of(coordinates.begin(), coordinates.end(), [&](const auto& coordinate) {
    return coordinate.axis == Axis::continuous &&
           encoding.space().parameters()[coordinate.parameter].when.empty();
  });
}

class RandomSampler final : public Sampler {
 public:
  RandomSampler(const Space& space, std::uint64_t seed)
      : encoding_(space),
        seed_(seed),
        endless_(endless(encoding_)),
        listed_(list_points(encoding_, kMostListed)) {}

  std::string_view name() const override { return "random"; }

  bool learns() const override { return false; }
  Suggestion propose(const History& history, std::int64_t number) override {
    Random random(seed_, static_cast<std::uint64_t>(number), Purpose::random_sampler);
    // To go through a study's trials for each point would cost the more the longer it is.
    const Taken taken = endless_ ? Taken() : Taken(encoding_, history);
    const auto draw = [&](std::uint32_t, std::span<double> u) {
      for (double& x : u) x = random.uniform();
    };
    const auto [point, repeated] = first_free(encoding_, taken, draw, listed_ ? &*listed_ : nullptr, random);
    Suggestion suggestion;
    suggestion.parameters = encoding_.decode(point);
    suggestion.proposal.sampler = name();
    if (repeated) suggestion.proposal.note = kRepeatedNote;
    return suggestion;
  }

  std::string describe(const Space&) const override {
    return "random: independent uniform points (log parameters uniform in their logarithm).";
  }

 private:
  Encoding encoding_;
  std::uint64_t seed_;
  bool endless_;
  std::optional<std::vector<Point>> listed_;
};

}  // namespace

std::unique_ptr<Sampler> make_random_sampler(const Space& space, std::uint64_t seed) {
  return std::make_unique<RandomSampler>(space, seed);
}

}  // namespace krigon
